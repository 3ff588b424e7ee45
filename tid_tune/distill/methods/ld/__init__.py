"""Localization distillation (LD, CVPR 2022)."""

from tid_tune.distill.methods.ld.settings import LDSettings

__all__ = ["LDSettings"]
