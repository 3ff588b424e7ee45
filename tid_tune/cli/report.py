"""`tid-tune report`: the search explained, as one HTML file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tid_tune import console
from tid_tune.cli.options import local
from tid_tune.cli.run import end_at_once
from tid_tune.cli.runs import RunDir, opened
from tid_tune.errors import UsageError

if TYPE_CHECKING:
    from tid_tune.results.run_folder import RunFolder


def report(
    run: RunDir = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", help="Where to write it; default: RUN/report.html.", callback=local
        ),
    ] = None,
    watch: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=1.0, help="Write it again so often while the search runs."
        ),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="First train the steps from the defaults to the best, on Ray; in RUN/ablation.",
        ),
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(
            help="With --measure: a Ray cluster; default: RAY_ADDRESS, else this machine."
        ),
    ] = None,
    models: Annotated[
        bool,
        typer.Option(help="Compare baseline, best and teacher on validation images, once."),
    ] = True,
    images: Annotated[
        int | None,
        typer.Option(help="On so many images; default: `report.models`.", min=1, metavar="N"),
    ] = None,
    device: Annotated[str, typer.Option(help="For that: auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Write the report of a run: one HTML file to open in a browser, also without a network."""
    folder = opened(run)
    complete = True
    if measure:
        complete = _measure(folder, address)
        folder = folder.read()
    if models and folder.holder() is None:
        _evaluate(folder, images or folder.spec.report.models, device)
    runs = _write(folder, out, watch)
    console.say(f"wrote {folder.shown(folder.report.name) if out is None else out}")
    if not complete:
        raise typer.Exit(130)
    if watch is None:
        return
    while runs:  # the last one is written after its end
        time.sleep(watch)
        folder = folder.read()
        runs = _write(folder, out, watch)
    console.say(f"{folder.spec.name}: {folder.standing()}")


def _evaluate(folder: RunFolder, images: int, device: str) -> None:
    """Evaluate the models of a run that has some; without them the report has fewer pictures."""
    from tid_tune.errors import TidTuneError
    from tid_tune.report.views.run_models import can_be_evaluated, evaluate_run

    if not images or not can_be_evaluated(folder):
        return
    try:
        with console.progress("comparing models") as watch:
            evaluate_run(
                folder,
                images=images,
                device=device,
                watch=lambda name, done, total: watch(done, total),
            )
    except TidTuneError as error:
        console.explain(f"warning: the report has no pictures of the models: {error}")


def _write(folder: RunFolder, out: Path | None, watch: float | None) -> bool:
    """Write the report and return whether the search runs: then, if watched, without pictures."""
    from tid_tune.files import unwritable
    from tid_tune.report.page.assemble import write_page, write_report
    from tid_tune.report.page.study import Study

    study = Study.of(folder)
    runs = folder.holder() is not None
    reload = watch if runs else None
    try:
        if out is not None:
            write_page(study, out, reload)
        else:
            write_report(study, reload)
    except OSError as error:
        raise unwritable(folder.report if out is None else out, error) from None
    return runs


def _measure(folder: RunFolder, address: str | None) -> bool:
    """Train the steps that are not measured; return whether all came to their end.

    Raises:
        UsageError: the search runs, or there is no path from its defaults to its best.
    """
    from tid_tune.insight.insight import Insight
    from tid_tune.insight.measuring import FOLDER, cost_of, measuring, measuring_spec
    from tid_tune.report.tables import steps_table
    from tid_tune.results.costs import Cost, spent_text
    from tid_tune.results.run_folder import RunFolder as Folder
    from tid_tune.search.suggestions import effective_of
    from tid_tune.storage.places import child
    from tid_tune.words import counted

    if folder.holder() is not None:
        raise UsageError(f"{folder.shown()} is running; measure its steps when it is over")
    spec, path = folder.spec, Insight(folder.state, folder.spec).path
    if isinstance(path, str):
        raise UsageError(f"{folder.shown()} has no steps to measure: {path}")
    inside, effective = Folder(child(folder.place, FOLDER)), effective_of(spec)
    there = inside.exists
    found = measuring(path, spec, effective, inside.state if there else None)
    if not found.missing:
        console.say(f"all {counted(len(path.steps), 'step')} are measured")
        console.show(steps_table(found, spec))
        return True
    epochs, seconds = cost_of(found, spec.epochs)
    cost = spent_text(Cost(epochs=epochs, seconds=seconds), spec.resources)
    trainings = counted(len(found.missing), "training")
    console.explain(
        f"{trainings} from the defaults to {path.best.id}: {cost}, at the pace of that one"
    )
    from tid_tune.cluster.driver import run_search

    asked = measuring_spec(found, spec, inside.spec if there else None)
    try:
        outcome = run_search(
            asked, runs=folder.place, root=Path.cwd(), address=address, outcome=False
        )
    except KeyboardInterrupt:
        end_at_once()
    console.show(steps_table(measuring(path, spec, effective, inside.read().state), spec))
    return outcome.complete
