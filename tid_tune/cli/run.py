"""`tid-tune run`: run a search, or resume it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tid_tune.cli.options import Json, Overrides, SpaceFile
from tid_tune.errors import TidTuneError

RUNS = "runs"
RUNS_HELP = "The folder that holds the run folders, or its URI, such as s3://bucket/runs."
Runs = Annotated[str, typer.Option(metavar="FOLDER", help=RUNS_HELP)]


def run(
    space: SpaceFile,
    overrides: Overrides = None,
    runs: Runs = RUNS,
    address: Annotated[
        str | None,
        typer.Option(help="A Ray cluster to use; default: RAY_ADDRESS, else this machine."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over; an earlier run is kept beside it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a search, or resume it: the same command resumes after any kind of end."""
    from tid_tune.console import answer, answering
    from tid_tune.searchfile import load
    from tid_tune.storage.places import place_of

    place = place_of(runs)
    with answering(as_json):
        loaded = load(space, overrides or ())
        # After the spec: a wrong one is reported before Ray is imported.
        from tid_tune.cluster.driver import run_search

        try:
            outcome = run_search(loaded, runs=place, root=Path.cwd(), address=address, fresh=fresh)
        except KeyboardInterrupt:
            end_at_once()
    if as_json:
        from tid_tune.report.documents import status_document

        answer(status_document(outcome.run.read()))
    if not outcome.complete:
        raise typer.Exit(130)
    if outcome.failed:
        raise TidTuneError(outcome.failed)


def end_at_once() -> NoReturn:
    """End the process: what the ledger has is safe, and tidying up was interrupted."""
    import os
    import sys

    from tid_tune.console import complain

    complain("ended at once; the same command resumes")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(130)
