"""`tid-tune draw`: a model's areas and detections, and models side by side, as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tid_tune import console
from tid_tune.cli.eval import Split
from tid_tune.cli.options import local
from tid_tune.errors import UsageError
from tid_tune.files import output_folder

if TYPE_CHECKING:
    from tid_tune.report.views.models import Model

app = typer.Typer(no_args_is_help=True, help="Draw what a model sees, and where models differ.")

MODEL_HELP = "A config, followed by its checkpoint; or RUN, RUN:TRIAL, such as runs/NAME:t0007."
Named = Annotated[str, typer.Argument(metavar="CONFIG", help=MODEL_HELP)]
Weights = Annotated[
    Path | None,
    typer.Argument(metavar="CHECKPOINT", help="Weights of that config.", callback=local),
]
Out = Annotated[Path, typer.Option(help="The folder to write the pictures to.", callback=local)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
Data = Annotated[Split, typer.Option(help="Which dataloader of the config to use.")]
Limit = Annotated[int | None, typer.Option(help="Use only the first N images.", min=1, metavar="N")]
Count = Annotated[int, typer.Option(help="How many images to draw.", min=1, max=64)]
Ids = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        help="Draw this image, by its id in the annotations; may be repeated.",
        metavar="ID",
    ),
]


@app.command()
def areas(
    model: Named,
    checkpoint: Weights = None,
    out: Out = Path("areas"),
    count: Annotated[int, typer.Option(help="How many images to draw.", min=1, max=16)] = 2,
    image: Ids = None,
    device: Device = "auto",
) -> None:
    """Draw the key and weak areas of a student over images, by level of its feature pyramid.

    Of a trial of a run, the areas that it recorded are drawn over its epochs.
    """
    with output_folder(out, "--out"):
        from tid_tune.report.views.drawing import draw_areas, write_areas
        from tid_tune.report.views.recorded import recorded_areas

        record = None
        if checkpoint is None and not image:
            record = recorded_areas(*_run_and_trial(model))
        if record is not None:
            _said(write_areas(record, out, model))
            return
        found = _model(model, checkpoint)
        paths = draw_areas(found, out, images=count, chosen=image or (), device=device)
        if found.trial and not image:
            console.explain(
                f"{found.name} has recorded no areas over its epochs: they are drawn as they are "
                f"at the end, after epoch {found.epoch:g}"
            )
        _said(paths)


@app.command()
def detections(
    model: Named,
    checkpoint: Weights = None,
    out: Out = Path("detections"),
    count: Count = 4,
    image: Ids = None,
    split: Data = Split.val,
    limit: Limit = None,
    device: Device = "auto",
) -> None:
    """Draw a model's detections beside the ground truth, where it does worst."""
    with output_folder(out, "--out"):
        from tid_tune.report.views.drawing import draw_detections

        found = _model(model, checkpoint)
        _said(
            draw_detections(
                found,
                out,
                split=split.value,
                count=count,
                limit=limit,
                chosen=image or (),
                device=device,
            )
        )


@app.command()
def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="RUN: its baseline, best student and teacher. Or several of RUN, RUN:TRIAL and "
            "CONFIG,CHECKPOINT, each perhaps after NAME=. TRIAL is an id, best, none, defaults or "
            "teacher.",
        ),
    ],
    out: Out = Path("comparison"),
    count: Count = 4,
    image: Ids = None,
    split: Data = Split.val,
    limit: Limit = None,
    device: Device = "auto",
) -> None:
    """Draw models side by side: curves, errors, and detections where the first two differ most."""
    with output_folder(out, "--out"):
        from tid_tune.report.views.drawing import draw_comparison
        from tid_tune.report.views.models import named_models
        from tid_tune.results.run_folder import RunFolder

        found = named_models(models, RunFolder.open)
        if len(found) < 2:
            raise UsageError(
                f"{models[0]} is one model: compare needs two or more, or a run alone that has a "
                "baseline or a teacher"
            )
        console.say(", ".join(model.name for model in found))
        _said(
            draw_comparison(
                found,
                out,
                split=split.value,
                count=count,
                limit=limit,
                chosen=image or (),
                device=device,
            )
        )


def _model(named: str, checkpoint: Path | None) -> Model:
    """Return the model of CONFIG and CHECKPOINT, or of RUN or RUN:TRIAL."""
    from tid_tune.report.views.models import Model, trial_model
    from tid_tune.results.run_folder import RunFolder

    if checkpoint is not None:
        return Model.of(named, checkpoint)
    run, trial = _run_and_trial(named)
    return trial_model(RunFolder.open(run), trial)


def _run_and_trial(named: str) -> tuple[str, str]:
    from tid_tune.results.run_folder import BEST, run_and_trial

    if named.endswith(".py"):
        raise UsageError(f"{named}: the checkpoint is missing; name it after the config")
    place, trial = run_and_trial(named)
    return place, trial or BEST


def _said(paths: list[Path]) -> None:
    for path in paths:
        console.say(f"wrote {path}")
