"""`tid-tune compare`: several searches side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tid_tune import console
from tid_tune.cli.options import Json, local
from tid_tune.cli.runs import opened


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="Two or more run folders.")
    ],
    level: Annotated[
        float | None,
        typer.Option(
            metavar="VALUE",
            help="Compare what it cost to reach this value; default: the best that all reached.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", help="Also write the comparison as a page.", callback=local
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare searches: what differs, best values at equal cost, pairs of equal seeds."""
    from tid_tune.report.compare.comparison import compare as compared
    from tid_tune.report.page.study import Study

    with console.answering(as_json):  # configs are programs, which may print
        studies = [Study.of(opened(run)) for run in runs]
        found = compared(studies, level)
    if out is not None:
        from tid_tune.files import unwritable
        from tid_tune.report.compare.page import write_comparison

        try:
            write_comparison(found, studies, out)
        except OSError as error:
            raise unwritable(out, error, "--out") from None
    if as_json:
        console.answer({**vars(found), "written": out})
        return
    from tid_tune.report.compare.tables import show

    show(found)
    if out is not None:
        console.say(f"wrote {out}")
