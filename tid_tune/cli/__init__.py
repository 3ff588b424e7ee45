"""The command line. Every heavy import is inside a command, so that `--help` stays instant.

A module of this package is one group of commands; each command parses, calls one function of the
package that does the work, and prints. Errors a user can mend end in one message.
"""

from __future__ import annotations

import sys

import typer

from tid_tune.cli import data, eval, export, run, runs, train, validate
from tid_tune.errors import TidTuneError

app = typer.Typer(
    name="tid-tune",
    help="Search the hyperparameters of Task Integration Distillation for object detectors.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    run.run,
    validate.validate,
    validate.schema,
    train.train,
    runs.leaderboard,
    runs.status,
    runs.show,
    runs.stop,
    runs.table,
    export.export,
):
    app.command()(command)
app.command("list")(runs.list_runs)
app.command("eval")(eval.evaluate)
app.add_typer(data.app, name="data")


def main() -> None:
    """Run the command line; a TidTuneError becomes one message and its exit code."""
    try:
        app()
    except TidTuneError as error:
        from tid_tune.console import complain

        complain(str(error))
        sys.exit(error.exit_code)
