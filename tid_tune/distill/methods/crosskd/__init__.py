"""Cross-head distillation (CrossKD, CVPR 2024)."""

from tid_tune.distill.methods.crosskd.settings import CrossKDSettings

__all__ = ["CrossKDSettings"]
