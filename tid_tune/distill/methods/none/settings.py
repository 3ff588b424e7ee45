"""The constants of no distillation; torch-free."""

from __future__ import annotations

from tid_tune.distill.registry import register_method
from tid_tune.distill.settings import Settings


@register_method
class NoneSettings(Settings):
    """No distillation: the student is trained alone, no teacher is built."""

    method = "none"
    implementation = "tid_tune.distill.method:NoMethod"
    needs_teacher = False
