"""`tid-tune validate` and `tid-tune schema`: check a search space; help an editor check it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from tid_tune.spec.model import Distribution, SearchSpec

SpaceFile = Annotated[Path, typer.Argument(metavar="SPACE.yaml", help="The search space.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=VALUE", help="Override a field; may be repeated."),
]


def validate(space: SpaceFile, overrides: Overrides = None) -> None:
    """Check a search space, and the files it names, before any GPU is touched."""
    from tid_tune.console import out, say
    from tid_tune.spec import load
    from tid_tune.spec.merge import shown_path

    spec = load(space, overrides or ())
    searched = sum(distribution.kind != "fixed" for distribution in spec.space.values())
    noun = "parameter" if searched == 1 else "parameters"
    say(f"{spec.name}: valid; {searched} searched {noun} of {shown_path(spec.trial)}")
    say()
    out.print(_space_table(spec))
    for constraint in spec.require:
        from tid_tune.spec.dump import constraint_text

        say(f"require {constraint_text(constraint)}")
    say()
    out.print(_stage_table(spec))
    say(_summary(spec))


def schema() -> None:
    """Print the JSON Schema of search spaces, for editors."""
    import sys

    from tid_tune.spec.schema import schema_text

    sys.stdout.write(schema_text())


def _space_table(spec: SearchSpec) -> Table:
    table = _table("parameter", "values", "when")
    for path, distribution in spec.space.items():
        table.add_row(path, _values(distribution), _when(distribution))
    return table


def _values(distribution: Distribution) -> str:
    from tid_tune.spec.dump import distribution_fields

    fields = distribution_fields(distribution)
    fields.pop("when", None)
    (kind, value), *bounds = fields.items()
    shown = [_number(item) for item in value] if isinstance(value, list) else [_number(value)]
    text = f"{kind.replace('_', ' ')} {', '.join(shown)}"
    return text + "".join(f" {name} {_number(bound)}" for name, bound in bounds)


def _when(distribution: Distribution) -> str:
    return ", ".join(
        f"{path.rpartition('.')[2]} is {' or '.join(_number(value) for value in values)}"
        for path, values in distribution.when.items()
    )


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _stage_table(spec: SearchSpec) -> Table:
    from tid_tune.spec.plan import stages

    table = _table("stage", "trainings", "epochs (at most)")
    for stage in stages(spec):
        table.add_row(stage.name, str(stage.trainings), str(stage.epochs))
    return table


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def _summary(spec: SearchSpec) -> str:
    goals = ", ".join(f"{metric} ({goal})" for metric, goal in spec.objectives.items())
    limits = spec.budget.model_dump(exclude_none=True)
    budget = ", ".join(f"{key} {value:g}" for key, value in limits.items()) or "no limit"
    return (
        f"objective {goals}; sampler {spec.sampler.type}; scheduler {spec.scheduler.type}; "
        f"budget {budget}"
    )
