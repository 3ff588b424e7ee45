"""Pearson correlation of features (PKD, NeurIPS 2022)."""

from tid_tune.distill.methods.pkd.settings import PKDSettings

__all__ = ["PKDSettings"]
