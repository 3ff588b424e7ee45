"""Which trials of a search can be trained side by side."""

from __future__ import annotations

from collections.abc import Iterator

from tid_tune.preflight.findings import Finding, note
from tid_tune.preflight.plan import Plan
from tid_tune.search.packs import separating


def check_packs(plan: Plan) -> Iterator[Finding]:
    """Note the searched parameters that keep trials out of one pack, where there are packs."""
    if plan.spec is None or not plan.spec.resources.packs:
        return
    students = plan.spec.resources.students
    for path in separating(plan.spec):
        yield note(
            f"resources.students: {students}: trials that differ in {path} are not trained in one "
            "pack, because it changes the data, the batch or the teacher"
        )
    if not plan.detects:
        yield note(
            f"resources.students: {students}: `tid-tune run` refuses {plan.spec.trainable} unless "
            "the class has trains_packs = True; without it, set resources.students to 1"
        )
