"""`tid-tune list`, `status`, `show`, `stop`, `leaderboard`, `table`, `clean`: what is in runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tid_tune import console
from tid_tune.cli.options import Json, local
from tid_tune.cli.run import RUNS, Runs
from tid_tune.errors import UsageError
from tid_tune.words import counted

if TYPE_CHECKING:
    from tid_tune.results.existing import Existing
    from tid_tune.results.run_folder import RunFolder

RUN_HELP = "A run folder, such as runs/NAME or s3://bucket/runs/NAME."
RunDir = Annotated[str | None, typer.Argument(metavar="RUN", help=RUN_HELP)]
TOP = 20
"""Rows of the leaderboard, unless there are to be more or fewer."""
_TRIAL = re.compile(r"best|t\d{4,}")


def list_runs(runs: Runs = RUNS, as_json: Json = False) -> None:
    """List the runs: the state of each, its trials, its best value."""
    from tid_tune.report.documents import runs_document
    from tid_tune.report.overview import run_row
    from tid_tune.report.tables import list_table
    from tid_tune.results.run_folder import RunFolder
    from tid_tune.storage.places import place_of, shown
    from tid_tune.storage.stored import require_folder

    place = place_of(runs)
    if runs != RUNS or Path(RUNS).exists():
        require_folder(place)
    found = RunFolder.all_in(place)
    if as_json:
        console.answer(runs_document(found))
        return
    if not found:
        console.say(f"no runs in {runs}; `tid-tune run SPACE.yaml` makes one")
        return
    console.show(list_table(list(map(run_row, found)), console.out.width))
    if not isinstance(place, Path):
        console.say(f"in {shown(place)}; tid-tune status {found[0].pasted()}")


def status(run: RunDir = None, as_json: Json = False) -> None:
    """Show the state of a run, its cost, its size on disk, its best trial and what to open next."""
    from tid_tune.report.documents import status_document
    from tid_tune.report.result import result_of
    from tid_tune.report.tables import cost_table, running_table, running_text
    from tid_tune.results.costs import cost_rows, overhead_text, worker_time
    from tid_tune.results.disk import disk_sizes, size_text

    folder = opened(run)
    if as_json:
        console.answer(status_document(folder))
        return
    state, spec = folder.state, folder.spec
    console.say(f"{spec.name}: {folder.standing()}")
    if state.running:
        console.say(running_text(state))
        console.show(running_table(state, spec))
    console.say()
    console.show(cost_table(cost_rows(state, spec), spec.resources))
    console.say(overhead_text(worker_time(state)))
    console.say()
    sizes = disk_sizes(folder)
    limit = "" if spec.keep.gib is None else f" of {size_text(round(spec.keep.gib * 2**30))}"
    console.say(
        f"on disk: {size_text(sizes.run)}, of it {counted(sizes.count, 'checkpoint')} "
        f"{size_text(sizes.checkpoints)}{limit}, best/ {size_text(sizes.best)}"
    )
    console.say()
    result = result_of(state, spec, folder)
    result.show_teacher()
    result.show_outcome()


def show(
    run: RunDir = None,
    trial: Annotated[str, typer.Argument(help="A trial, such as t0007, or best.")] = "best",
    as_json: Json = False,
) -> None:
    """Show one trial: sampled and effective values, its epochs, its config as a diff."""
    from tid_tune.report.batch import batch_text
    from tid_tune.report.documents import trial_document
    from tid_tune.report.page.words import outcome
    from tid_tune.report.tables import (
        changes_table,
        proof_table,
        report_table,
        training_lines,
    )
    from tid_tune.results.one_trial import changes, config_diff, proof_rows, trained_by

    folder = opened(run)
    found = folder.trial(trial)
    if as_json:
        with console.answering(True):  # a config is a program, which may print
            document = trial_document(folder, found)
        console.answer(document)
        return
    reason = f": {found.reason}" if found.reason else ""
    console.explain(
        f"{found.id} ({found.stage} {found.label or found.origin}), {outcome(found).word}{reason}"
    )
    for line in training_lines(found, folder.state):
        console.say(line)
    if text := batch_text(trained_by(folder.ledger, found, folder.spec), found.edits):
        console.explain(text)
    console.say()
    history = changes(folder.ledger, found)
    if len(history) > 1:
        console.show(changes_table(history, console.out.width))
        console.say()
    console.show(proof_table(found, proof_rows(found)))
    console.say()
    console.show(report_table(found, folder.spec, console.out.width))
    console.say()
    for line in config_diff(found, folder.spec.trial):
        console.say(line)


def leaderboard(
    run: RunDir = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="Rows to show; default: 20, of JSON all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the ranked trials of a run, also while it is running."""
    from tid_tune.report.documents import leaderboard_document
    from tid_tune.report.leaderboard import leaderboard_table

    folder = opened(run)
    if as_json:
        console.answer(leaderboard_document(folder, top))
        return
    rows, width = folder.leaderboard(), console.out.width
    console.show(leaderboard_table(rows, folder.spec, width=width, top=top or TOP))


def stop(run: RunDir = None) -> None:
    """End a running search cleanly; `tid-tune run` resumes it later."""
    import os
    import signal

    folder = opened(run)
    shown, holder = folder.shown(), folder.holder()
    if holder is None:
        console.say(f"{shown} is not running")
        return
    if not holder.is_here:
        raise UsageError(
            f"{shown} is driven by {holder}; run this command on {holder.host}, or end its Ray job "
            "with `tid-tune submit --stop` or `ray job stop`."
        )
    os.kill(holder.pid, signal.SIGTERM)
    console.say(f"asked process {holder.pid} to end {shown}; running trials keep their progress")


def clean(
    run: RunDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete them; without it, list them.")] = False,
    as_json: Json = False,
) -> None:
    """Delete the checkpoints of a finished search; best/, its best student, stays."""
    from tid_tune.export.cleaning import delete_leftovers, leftovers
    from tid_tune.results.disk import size_text

    folder = opened(run)
    with console.answering(as_json):
        found = delete_leftovers(folder) if yes else leftovers(folder)
    if as_json:
        console.answer({"run": folder.shown(), "deleted": yes, "size": found.size, **vars(found)})
        return
    for one in found.spare:
        console.explain(f"{one.name}  {size_text(one.size)}  {one.what}")
    if found.needed:
        kept = counted(found.needed, "checkpoint")
        console.say(f"{kept} of trials that go on if the search is extended: not deleted")
    what = f"{counted(len(found.spare), 'checkpoint')}, {size_text(found.size)}"
    console.say(f"deleted {what}" if yes else f"nothing is deleted; --yes deletes {what}")


def table(
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)],
    out: Annotated[
        Path,
        typer.Argument(
            help="FILE.csv, FILE.db for optuna-dashboard, or a folder for TensorBoard.",
            callback=local,
        ),
    ],
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write event files for TensorBoard into a folder.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier FILE.db or event files.")
    ] = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="Add the trials that FILE.db or the folder lacks.")
    ] = False,
) -> None:
    """Write the trials for other tools: CSV, an Optuna study in sqlite, TensorBoard's events."""
    from tid_tune.files import unwritable
    from tid_tune.results.existing import Existing

    existing = Existing.of(overwrite=overwrite, extend=extend)

    folder = opened(run)
    if not out.parent.is_dir():
        raise UsageError(f"{out}: there is no folder {out.parent}; make it, or write elsewhere")
    try:
        written = _write_table(folder, out, existing, tensorboard)
    except OSError as error:
        raise unwritable(out, error) from None
    console.say(f"wrote {counted(written, 'trial')} to {out}")


def _write_table(folder: RunFolder, out: Path, existing: Existing, tensorboard: bool) -> int:
    """Write the trials in the form that `out` or `tensorboard` selects; return how many.

    Raises:
        UsageError: there is no such form, or what is there already is in the way.
        OSError: a file cannot be written.
    """
    from tid_tune.results.existing import Existing
    from tid_tune.results.optuna_study import write_optuna
    from tid_tune.results.table import write_csv

    state, spec = folder.state, folder.spec
    if tensorboard:
        from tid_tune.results.tensorboard_events import write_events

        return write_events(state, spec, out, existing)
    if out.suffix == ".csv":
        if existing is Existing.EXTEND:
            raise UsageError(f"{out}: a CSV table is written anew each time; leave out --extend")
        return write_csv(state, spec, out)
    if out.suffix in (".db", ".sqlite"):
        return write_optuna(state, spec, out, existing)
    raise UsageError(
        f"{out}: the ending selects the form; use .csv, .db or .sqlite, or --tensorboard with "
        "a folder"
    )


def opened(run: str | None) -> RunFolder:
    """Return the run folder that a command names.

    Raises:
        UsageError: it names none, or a trial in its place; the message says what to write.
    """
    from tid_tune.results.run_folder import RunFolder

    if run is None:
        raise UsageError(
            "no run is named; write its folder, such as runs/NAME. `tid-tune list` shows the runs"
        )
    if _TRIAL.fullmatch(run) and not Path(run).exists():
        raise UsageError(
            f"{run} is a trial and not a run; name the run first: `tid-tune show RUN {run}`. "
            "`tid-tune list` shows the runs"
        )
    return RunFolder.open(run)
