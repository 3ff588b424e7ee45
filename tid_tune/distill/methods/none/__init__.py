"""No distillation: the student is trained alone."""

from tid_tune.distill.methods.none.settings import NoneSettings

__all__ = ["NoneSettings"]
