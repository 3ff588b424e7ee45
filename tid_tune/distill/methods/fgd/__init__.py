"""Focal and global distillation (FGD, CVPR 2022)."""

from tid_tune.distill.methods.fgd.settings import FGDSettings

__all__ = ["FGDSettings"]
