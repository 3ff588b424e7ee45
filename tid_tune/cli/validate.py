"""`tid-tune validate` and `tid-tune schema`: check a search space; help an editor check it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tid_tune import dotted
from tid_tune.cli.options import Json, Overrides, SpaceFile

if TYPE_CHECKING:
    from tid_tune.report.start_points import StartingPoints
    from tid_tune.searchfile.loading import Reading
    from tid_tune.searchfile.model import SearchSpec
    from tid_tune.space import Distribution

GAP = 2
NARROWEST = 20
"""Columns of a column of values on a narrow terminal."""


def validate(
    space: SpaceFile,
    overrides: Overrides = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Only check the file and its config: no model, no data."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a search space, its data and its models, before any GPU is touched.

    A config is Python code and runs at `validate`: use those you trust.
    Files of weights cannot run code.
    """
    from tid_tune.console import answer, answering, complain, explain
    from tid_tune.errors import SpecError
    from tid_tune.preflight.packs import pack_hints

    with answering(as_json):
        found = _of_the_file(space, overrides or ())
        # Those are printed now: what follows can take a minute.
        printed = [] if as_json or quick else found.errors
        for message in printed:
            complain(message)
        found = _with_parts(found, quick)
    if as_json:
        answer(_document(found, quick))
        raise typer.Exit(0 if found.valid else SpecError.exit_code)
    for line in found.remarks:
        explain(line)
    spec, points = found.spec, found.points
    if not found.valid or spec is None or points is None:
        error = SpecError(*found.errors)
        error.printed = len(printed)
        raise error
    show_spec(spec, "file and config are valid" if quick else "valid")
    _show_start(spec, points)
    for hint in pack_hints(spec):
        explain(hint.line)
    if quick:
        explain("data, models and weights were not checked; leave out --quick to check them")


@dataclass(frozen=True)
class _Checked:
    """A search space, the points it starts from, and what the checks have found, each once."""

    reading: Reading
    spec: SearchSpec | None
    points: StartingPoints | None
    remarks: list[str]
    errors: list[str]

    @property
    def valid(self) -> bool:
        """Whether no check has found an error."""
        return not self.errors


def _of_the_file(space: Path, overrides: Sequence[str]) -> _Checked:
    """Return what the file and its config show alone; that takes no more than a second or two."""
    from tid_tune.errors import TidTuneError
    from tid_tune.report.start_points import points_to_try
    from tid_tune.search.stream import check_points
    from tid_tune.searchfile.loading import read

    reading = read(space, overrides)
    spec, errors, points = reading.spec, reading.problems.messages(), None
    try:
        if spec is not None:
            check_points(spec)
            points = points_to_try(spec)
    except TidTuneError as error:
        errors += error.messages
    return _Checked(reading, spec, points, [], list(dict.fromkeys(errors)))


def _with_parts(found: _Checked, quick: bool) -> _Checked:
    """Add what data, models and resources show; `quick`: only what needs none of them."""
    from tid_tune.errors import TidTuneError

    if quick:
        from tid_tune.preflight.packs import pack_notes

        notes = () if found.spec is None else pack_notes(found.spec)
        return replace(found, remarks=[note.line for note in notes])
    from tid_tune.preflight import Plan, remarks_and_errors

    remarks: list[str] = []
    errors: Sequence[str] = ()
    try:
        plan = Plan.of_reading(found.reading)
        if plan is not None:
            remarks, errors = remarks_and_errors(plan)
    except TidTuneError as error:
        errors = error.messages
    return replace(found, remarks=remarks, errors=list(dict.fromkeys([*found.errors, *errors])))


def _document(found: _Checked, quick: bool) -> dict[str, object]:
    """Return what `--json` prints; a search space that is not valid has only its errors."""
    from tid_tune.preflight.packs import pack_hints
    from tid_tune.search.stages.plan import stages

    spec, points = found.spec, found.points
    known: dict[str, object] = {"valid": found.valid, "quick": quick, "errors": found.errors}
    if spec is None or points is None or not found.valid:
        return {**known, "notes": found.remarks, "search": None}
    notes = [*found.remarks, *(hint.line for hint in pack_hints(spec)), *points.notes]
    names = ("parameter", "values", "when")
    search = {
        "name": spec.name,
        "trial": spec.trial,
        "objectives": spec.objectives,
        "sampler": spec.sampler.type,
        "scheduler": spec.scheduler.type,
        "budget": spec.budget.model_dump(exclude_none=True),
        "space": [dict(zip(names, row, strict=True)) for row in _space_rows(spec)],
        "require": [constraint.text for constraint in spec.require],
        "stages": stages(spec),
        "start_from": [{"point": name, "values": values} for name, values in points.points],
    }
    return {**known, "notes": notes, "search": search}


def show_spec(spec: SearchSpec, checked: str = "valid") -> None:
    """Print what a valid search space will do: its parameters, its stages, its limits.

    Args:
        spec: the search space.
        checked: what the checks have shown.
    """
    from tid_tune.console import explain, say
    from tid_tune.report.batch import batch_text
    from tid_tune.search.stages.plan import stages
    from tid_tune.searchfile.merge import shown_path
    from tid_tune.words import counted

    searched = sum(not distribution.is_fixed for distribution in spec.space.values())
    parameters = counted(searched, "searched parameter")
    explain(f"{spec.name}: {checked}; {parameters} of {shown_path(spec.trial)}")
    say()
    _print_columns(("parameter", "values", "when"), _space_rows(spec))
    for constraint in spec.require:
        explain(f"require {constraint.text}")
    say()
    rows = [(s.name, str(s.trainings), f"at most {s.epochs:g}") for s in stages(spec)]
    _print_columns(("stage", "trainings", "epochs"), rows)
    say()
    explain(_summary(spec))
    if text := batch_text(spec):
        explain(text)


def _show_start(spec: SearchSpec, start: StartingPoints) -> None:
    """Print the points that are tried first."""
    from tid_tune.console import explain, say, show
    from tid_tune.report.start_points import start_table

    if start.points:
        say()
        show(start_table(start.points, spec.space))
    for note in start.notes:
        explain(f"note: {note}")


def schema() -> None:
    """Print the JSON Schema of search spaces, for editors."""
    import sys

    from tid_tune.searchfile.schema import schema_text

    sys.stdout.write(schema_text())


def _space_rows(spec: SearchSpec) -> list[tuple[str, ...]]:
    return [(path, _values(entry), _when(entry)) for path, entry in spec.space.items()]


def _values(distribution: Distribution) -> str:
    from tid_tune.searchfile.dump import distribution_fields

    fields = distribution_fields(distribution)
    fields.pop("when", None)
    (kind, value), *bounds = fields.items()
    shown = [_number(item) for item in value] if isinstance(value, list) else [_number(value)]
    text = f"{kind.replace('_', ' ')} {', '.join(shown)}"
    return text + "".join(f" {name} {_number(bound)}" for name, bound in bounds)


def _when(distribution: Distribution) -> str:
    return ", ".join(
        f"{dotted.last(path)} is {' or '.join(_number(value) for value in values)}"
        for path, values in distribution.when.items()
    )


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _print_columns(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows; where they are wider than the output, the second column goes on below itself."""
    import textwrap

    from tid_tune.console import out, say

    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    others = sum(widths) - widths[1] + GAP * (len(widths) - 1)
    widths[1] = min(widths[1], max(out.width - others, NARROWEST))
    for row in [head, *rows]:
        first, second, *rest = row
        for part in textwrap.wrap(second, widths[1], break_long_words=False) or [""]:
            cells = zip((first, part, *rest), widths, strict=True)
            line = (" " * GAP).join(text.ljust(width) for text, width in cells)
            say(line.rstrip(), style="bold" if row is head else None)
            first, rest = "", [""] * len(rest)


def _summary(spec: SearchSpec) -> str:
    goals = ", ".join(f"{metric} ({goal})" for metric, goal in spec.objectives.items())
    budget = spec.budget.text or "no limit"
    several = len(spec.objectives) > 1 and spec.scheduler.type != "none"
    stopping = "none (several objectives)" if several else spec.scheduler.type
    return f"objective {goals}; sampler {_sampler(spec)}; scheduler {stopping}; budget {budget}"


def _sampler(spec: SearchSpec) -> str:
    """Return the sampler's type, and why it is that where the search space names none."""
    from tid_tune.searchfile.parts import FEW_TRIALS, is_default_type

    name = spec.sampler.type
    if not is_default_type(spec.sampler):
        return name
    few = spec.trials <= FEW_TRIALS
    return f"{name} (the default {'up to' if few else 'beyond'} {FEW_TRIALS} trials)"
