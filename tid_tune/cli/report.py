"""`tid-tune report`: the search explained, as one HTML file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tid_tune import console
from tid_tune.cli.runs import RunDir, opened
from tid_tune.errors import UsageError

if TYPE_CHECKING:
    from tid_tune.results.run_folder import RunFolder


def report(
    run: RunDir = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Where to write it; default: RUN/report.html."),
    ] = None,
    watch: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=1.0, help="Write it again so often while the search runs."
        ),
    ] = None,
) -> None:
    """Write the report of a run: one HTML file to open in a browser, also without a network."""
    folder = opened(run)
    _write(folder, out, watch)
    console.say(f"wrote {folder.shown(folder.report.name) if out is None else out}")
    if watch is None:
        return
    while folder.holder() is not None:
        time.sleep(watch)
        folder = folder.read()
        _write(folder, out, watch)
    console.say(f"{folder.spec.name}: {folder.standing()}")


def _write(folder: RunFolder, out: Path | None, watch: float | None) -> None:
    """Write the report; while it is watched and the search runs, without its pictures."""
    from tid_tune.report.page.assemble import write_page, write_report
    from tid_tune.report.page.study import Study

    study = Study.of(folder)
    reload = watch if folder.holder() is not None else None
    try:
        if out is not None:
            write_page(study, out, reload)
        else:
            write_report(study, reload)
    except OSError as error:
        place = folder.report if out is None else out
        raise UsageError(f"{place}: cannot be written: {error.strerror}") from None
