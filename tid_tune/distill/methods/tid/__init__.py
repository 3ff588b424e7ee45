"""Task Integration Distillation (arXiv 2404.01699)."""

from tid_tune.distill.methods.tid.settings import TIDSettings

__all__ = ["TIDSettings"]
