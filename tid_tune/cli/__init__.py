"""The command line. Every heavy import is inside a command, so that `--help` stays instant.

A module of this package is one group of commands; each command parses, calls one function of the
package that does the work, and prints. An error that a user can fix ends in one message.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from tid_tune import __version__
from tid_tune.cli import (
    cache,
    compare,
    data,
    draw,
    eval,
    export,
    report,
    run,
    runs,
    start,
    submit,
    train,
    ui,
    validate,
)
from tid_tune.errors import TidTuneError

app = typer.Typer(
    name="tid-tune",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    start.spaces,
    start.init,
    run.run,
    submit.submit,
    validate.validate,
    validate.schema,
    train.train,
    runs.leaderboard,
    runs.status,
    runs.show,
    report.report,
    compare.compare,
    runs.stop,
    runs.table,
    runs.clean,
    export.export,
    ui.ui,
):
    app.command()(command)
app.command("list")(runs.list_runs)
app.command("eval")(eval.evaluate)
app.add_typer(data.app, name="data")
app.add_typer(cache.app, name="cache")
app.add_typer(draw.app, name="draw")


HELP = (
    "Search the hyperparameters of Task Integration Distillation for object detectors.\n\n"
    "A small student learns from a large teacher. The key area of an image is where the teacher is "
    "sure of an object's class and box; the weak area is where the student is still behind. A "
    "search tunes how much each area counts, and where it ends."
)


@app.callback(help=HELP)
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True)
    ] = False,
) -> None:
    """Show the version, if asked for; else run a command."""
    if version:
        typer.echo(f"tid-tune {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; a TidTuneError becomes one message and its exit code."""
    try:
        app()
    except TidTuneError as error:
        from tid_tune.console import complain

        for message in error.messages[error.printed :]:
            complain(message)
        if error.at_once:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(error.exit_code)
        sys.exit(error.exit_code)
