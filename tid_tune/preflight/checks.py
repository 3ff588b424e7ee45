"""All checks, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tid_tune.console import explain, shown_path, step
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.config_lines import line_of
from tid_tune.preflight.findings import Finding
from tid_tune.preflight.packs import check_packs
from tid_tune.preflight.plan import Plan
from tid_tune.preflight.resources import check_resources
from tid_tune.preflight.tracking import check_tracking

Check = Callable[[Plan], Iterable[Finding]]

TEACHER_MODEL = "model.teacher.model"
"""Where the build check puts the model of the teacher's own config."""


def checks_of(plan: Plan) -> Iterator[tuple[str, Check]]:
    """Yield the checks of a plan, each after what it does."""
    yield "", check_resources
    yield "", check_tracking
    yield "", check_packs
    if not plan.detects:
        return
    step("loading torch and mmdet")
    # Here, not above: they import torch and mmdet, which takes ten seconds and more.
    from tid_tune.preflight.build import check_build
    from tid_tune.preflight.cache import check_cache
    from tid_tune.preflight.data import check_data
    from tid_tune.preflight.ranks import check_ranks
    from tid_tune.preflight.weights import check_first_weights, check_teacher_weights

    yield "reading the annotations, and a sample of the images", check_data
    yield "building what a trial is made of, and passing one image through it", check_build
    yield "", check_ranks
    yield "", check_cache
    yield "comparing the teacher's weights with its config", check_teacher_weights
    yield "looking at the weights that the student starts from", check_first_weights


def check(plan: Plan) -> list[Finding]:
    """Return what all checks find; a check reports nothing that follows from an earlier finding."""
    found: list[Finding] = []
    for what, one in checks_of(plan):
        if what:
            step(what)
        known = plan.with_faults(f.place for f in found if f.severity == "error")
        found += [f for f in one(known) if f.severity != "error" or f.place not in known.faulty]
    return list(dict.fromkeys(found))


def remarks_and_errors(plan: Plan) -> tuple[list[str], list[str]]:
    """Return the warnings and notes on a plan, and the errors, each with file and line."""
    found = check(plan)
    remarks = [finding.line for finding in found if finding.severity != "error"]
    return remarks, [f"{_where(plan, f)}: {f.text}" for f in found if f.severity == "error"]


def require(plan: Plan) -> None:
    """Print the warnings and notes on a plan; end the command if there are errors.

    Raises:
        ConfigError: lists the errors.
    """
    remarks, errors = remarks_and_errors(plan)
    for line in remarks:
        explain(line)
    if errors:
        raise ConfigError(*errors)


def _where(plan: Plan, finding: Finding) -> str:
    """Return the line that sets what a finding is about, or the file of the config."""
    spec, place = plan.spec, finding.place
    if not place:
        return str(shown_path(plan.source))
    if spec is not None and spec.source is not None and _is_set(place, spec.space):
        return str(shown_path(spec.source))
    file, teacher = plan.source, (plan.config.get("model") or {}).get("teacher") or {}
    if place.startswith(TEACHER_MODEL) and isinstance(teacher.get("config"), str):
        file, place = Path(teacher["config"]), place.replace(TEACHER_MODEL, "model", 1)
    line = line_of(file, place)
    return str(shown_path(file)) if line is None else f"{shown_path(line.file)}:{line.number}"


def _is_set(place: str, space: Iterable[str]) -> bool:
    """Return whether a search space sets a value of the config, or what it is a part of."""
    return any(f"{place}.".startswith(f"{path}.") for path in space)
