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
    place = _write(folder, out, watch if folder.holder() is not None else None)
    console.say(f"wrote {console.shown_path(place)}")
    if watch is None:
        return
    while folder.holder() is not None:
        time.sleep(watch)
        folder = folder.read()
        _write(folder, out, watch if folder.holder() is not None else None)
    console.say(f"{folder.spec.name}: {folder.standing()}")


def _write(folder: RunFolder, out: Path | None, reload: float | None) -> Path:
    from tid_tune.report.page.assemble import write_page
    from tid_tune.report.page.study import Study

    place = folder.report if out is None else out
    try:
        write_page(Study.of(folder), place, reload)
    except OSError as error:
        raise UsageError(f"{place}: cannot be written: {error.strerror}") from None
    if out is None:
        folder.files.keep(place.name)
    return place
