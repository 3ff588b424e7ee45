"""`tid-tune list`, `status`, `show`, `stop`, `leaderboard` and `table`: look at runs, end one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tid_tune import console
from tid_tune.errors import UsageError

RunDir = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as runs/NAME.")]


def list_runs(
    runs: Annotated[Path, typer.Option(help="The folder that holds the run folders.")] = Path(
        "runs"
    ),
) -> None:
    """List the runs: where each stands, its trials, its best value."""
    from tid_tune.report.runs import list_table, run_folders

    if not run_folders(runs):
        console.say(f"no runs in {runs}; `tid-tune run SPACE.yaml` makes one")
        return
    console.show(list_table(runs))


def status(run: RunDir) -> None:
    """Tell where a run stands, what runs now, and what it has cost by stage and outcome."""
    from tid_tune.report.confirmation import confirmation_table, verdict_text
    from tid_tune.report.runs import cost_rows, open_run, running_table, standing

    state, spec = open_run(run)
    console.say(f"{spec.name}: {standing(run, state)}")
    if state.running:
        console.show(running_table(state, spec))
    console.say()
    console.show(cost_rows(state, spec))
    confirmed = confirmation_table(state, spec)
    if confirmed is not None:
        console.say()
        console.show(confirmed)
        console.say(verdict_text(state, spec))


def show(
    run: RunDir,
    trial: Annotated[str, typer.Argument(help="A trial, as t0007, or best.")] = "best",
) -> None:
    """Show one trial: sampled and effective values, its epochs, its config as a diff."""
    from tid_tune.report.runs import (
        config_diff,
        course_table,
        open_run,
        proof_table,
        report_table,
        trial_of,
    )

    state, spec = open_run(run)
    found = trial_of(state, run, trial)
    reason = f": {found.reason}" if found.reason else ""
    console.say(f"{found.id} ({found.stage} {found.label or found.origin}), {found.status}{reason}")
    console.say()
    course = course_table(run, found)
    if course is not None:
        console.show(course)
        console.say()
    console.show(proof_table(run, found))
    console.say()
    console.show(report_table(found, spec))
    console.say()
    for line in config_diff(found, spec):
        console.say(line)


def leaderboard(
    run: RunDir,
    top: Annotated[int, typer.Option(help="Rows to show.")] = 20,
) -> None:
    """Show the ranked trials of a run, also while it is running."""
    from tid_tune.report.leaderboard import leaderboard_table
    from tid_tune.report.runs import open_run
    from tid_tune.results.ranking import leaderboard as rank

    state, spec = open_run(run)
    console.show(leaderboard_table(rank(state, spec), spec, width=console.out.width, top=top))


def stop(run: RunDir) -> None:
    """End a running search cleanly; `tid-tune run` goes on with it later."""
    import os
    import signal
    import socket

    from tid_tune.ledger.file import LEDGER_NAME
    from tid_tune.ledger.lock import holder_of
    from tid_tune.report.runs import open_run

    open_run(run)
    holder = holder_of(run / LEDGER_NAME)
    if holder is None:
        console.say(f"{run} is not running")
        return
    if holder["host"] != socket.gethostname():
        raise UsageError(
            f"{run} is driven by process {holder['pid']} on {holder['host']}; run this command "
            "there, or end its Ray job with `ray job stop`."
        )
    os.kill(int(str(holder["pid"])), signal.SIGTERM)
    console.say(f"asked process {holder['pid']} to end {run}; running trials keep their progress")


def table(
    run: RunDir,
    out: Annotated[Path, typer.Argument(help="FILE.csv, or FILE.db for optuna-dashboard.")],
) -> None:
    """Write the ledger for other tools: a CSV table, or an Optuna study in sqlite."""
    from tid_tune.report.runs import open_run
    from tid_tune.results.export import write_csv, write_optuna

    state, spec = open_run(run)
    if not out.parent.is_dir():
        raise UsageError(f"{out}: there is no folder {out.parent}; make it, or write elsewhere")
    if out.suffix == ".csv":
        write_csv(state, spec, out)
    elif out.suffix in (".db", ".sqlite"):
        write_optuna(state, spec, out)
    else:
        raise UsageError(f"{out}: the ending decides the form; use .csv, .db or .sqlite")
    console.say(f"wrote {out}")
