"""Which trials of a search can be trained side by side."""

from __future__ import annotations

from collections.abc import Iterator

from tid_tune.preflight.findings import Finding, note
from tid_tune.preflight.plan import Plan
from tid_tune.search.packs import separating
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.source import DEFAULT_TRAINABLE


def check_packs(plan: Plan) -> Iterator[Finding]:
    """Note what packs a search will have, and what keeps trials out of one."""
    if plan.spec is not None:
        yield from pack_notes(plan.spec)


def pack_notes(spec: SearchSpec) -> Iterator[Finding]:
    """Yield notes on the packs of a search, if it has any; its config is not looked at."""
    if not spec.resources.packs:
        return
    students = spec.resources.students
    place = f"resources.students: {students}"
    many = (
        "as many trials as fit in its memory" if students == "auto" else f"up to {students} trials"
    )
    yield note(f"{place}: a worker trains {many} side by side, with one pass of the teacher")
    for path in separating(spec):
        yield note(
            f"{place}: trials that differ in {path} are not trained in one "
            "pack, because it changes the data, the batch or the teacher"
        )
    if spec.trainable != DEFAULT_TRAINABLE:
        yield note(
            f"{place}: `tid-tune run` refuses {spec.trainable} unless "
            "the class has trains_packs = True; without it, set resources.students to 1"
        )


def pack_hints(spec: SearchSpec) -> Iterator[Finding]:
    """Yield what may make the packs of a search larger, for a user who plans it."""
    asha = spec.scheduler.type == "asha" and getattr(spec.scheduler, "rule", "") != "promote"
    if spec.resources.packs and asha:
        yield note(
            "scheduler: asha stops trials one by one, so packs get smaller; `rule: promote` groups "
            "the trials that go on"
        )
