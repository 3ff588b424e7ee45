"""Runs a search in its folder: opens or resumes it, runs what is left, writes the result."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tid_tune.cluster.dispatch import Dispatcher
from tid_tune.cluster.draining import Draining
from tid_tune.cluster.head import HeadLostError
from tid_tune.cluster.jobs.place import in_job, in_package, require_lasting
from tid_tune.cluster.nodes import Newcomers, check_nodes
from tid_tune.cluster.session import Capacity, RaySession
from tid_tune.console import explain, say
from tid_tune.errors import UsageError
from tid_tune.ledger.file import Ledger
from tid_tune.preflight import Plan, require
from tid_tune.preflight.resources import require_here
from tid_tune.report.live import View
from tid_tune.report.progress import Progress
from tid_tune.report.result import write_result
from tid_tune.results.costs import Cost
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.engine import Search
from tid_tune.search.journal import Follower
from tid_tune.search.stages.budget import BudgetGuard
from tid_tune.search.stages.plan import stages
from tid_tune.search.suggestions import effective_of
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.source import DEFAULT_TRAINABLE
from tid_tune.storage.objects import StoreError
from tid_tune.storage.places import Place, child, shown
from tid_tune.tracking.address import address_of
from tid_tune.tracking.subject import subject_of
from tid_tune.tracking.tracker import Tracker
from tid_tune.words import counted

MLFLOW_SECONDS = 60.0
"""How long a search that is over waits for a tracking server."""
INTERRUPTED_SECONDS = 10.0
"""The same for one that was interrupted: a user waits, or a job's stop kills it after a while."""

INSTANT_SECONDS = 1.0
"""What takes longer is announced."""

PRELOAD = "tid_tune.trial.preload"
"""Imports what trials of ours need."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `failed` is empty, or the reason why there is no result."""

    run: RunFolder
    complete: bool
    failed: str = ""


def run_search(
    spec: SearchSpec,
    *,
    runs: Place,
    root: Path,
    address: str | None = None,
    fresh: bool = False,
    observer: Follower | None = None,
    outcome: bool = True,
) -> Outcome:
    """Run `spec` in `runs`/NAME, resuming what is there.

    Args:
        spec: the search.
        runs: the folder that holds the run folders, or its URI.
        root: where relative paths of the mmdet config start; workers run there too.
        address: a Ray cluster; None: `RAY_ADDRESS`, else Ray is started on this machine.
        fresh: move an earlier run of this name aside first.
        observer: called after each event; see `Search.observe`.
        outcome: print which trial is the best, and what to open next.

    Raises:
        UsageError: the cluster, its resources or the earlier run do not fit the spec.
        TidTuneError: Ray did not start, its head was lost, or the search cannot be recorded.
    """
    started = time.monotonic()
    run = _reachable(child(runs, spec.name))
    require_lasting(run.path)
    new = fresh or not run.exists
    with ExitStack() as stack:
        session = stack.enter_context(_session(spec, address))
        if new:  # before there is a run folder
            _check(spec, session)
        if fresh and (aside := run.move_aside()) is not None:
            say(f"the earlier run is kept in {shown(aside)}")
        written = stack.enter_context(run.files.writing())
        ledger = stack.enter_context(Ledger.open(run.ledger, written=written))
        search = Search.open(spec, ledger, effective_of(spec))
        if observer is not None:
            search.observe(observer)
        for note in search.notes:
            explain(note)
        lost: HeadLostError | None = None
        with _tracking(spec, search, run, root) as tracker:
            try:
                finished = _work(spec, search, run, root, session, checked=new)
            except HeadLostError as error:
                finished, lost = False, error
            if tracker is not None and not finished:
                tracker.interrupt()
            result = write_result(search.state, spec, run)
            seconds = MLFLOW_SECONDS if finished else INTERRUPTED_SECONDS
            copied = tracker.finish(result.metrics, result.artifacts, seconds) if tracker else None
        result.show(time.monotonic() - started, outcome=outcome)
        for line in copied.lines() if copied else ():
            explain(line)
        if lost is not None:
            raise lost
        if not finished:
            explain(f"interrupted; the same command resumes. Run folder: {run.shown()}")
        failed = result.failed or search.state.no_room
        return Outcome(run, finished, failed if finished else "")


def _reachable(place: Place) -> RunFolder:
    """Return the run folder of a search, whose store answers.

    Raises:
        UsageError: it does not, or has no such bucket: nothing is started.
    """
    try:
        run = RunFolder.driven(place)
        run.files.require_reachable()
    except StoreError as error:
        raise UsageError(*error.messages) from None
    return run


def _work(
    spec: SearchSpec,
    search: Search,
    run: RunFolder,
    root: Path,
    session: RaySession,
    *,
    checked: bool,
) -> bool:
    """Run what is left; return whether the search came to its end."""
    draining = Draining()
    newcomers = Newcomers(run, spec.resources)
    capacity = Capacity(spec.resources, draining, newcomers.fits)
    dispatcher = Dispatcher(spec, search, run, root, capacity, draining)
    if not dispatcher.has_work():
        explain(_nothing_left(spec, search.state.closed or ""))
        return True
    if not checked:
        _check(spec, session)
    from tid_tune.cluster.parcel_files import parcel_for
    from tid_tune.cluster.tuner import tune

    progress = Progress(search, sum(stage.trainings for stage in stages(spec)))
    try:
        session.connect()
        asked = check_nodes(spec, run, root, local=session.local)
        parcel = None if session.local else parcel_for(spec)
        _announce(spec, run, capacity())
        with newcomers.asked(asked), View(progress, lambda: capacity.latest or 1) as view:
            search.observe(view)
            finished = tune(spec, dispatcher, run, parcel)
        if not finished:
            say("ending: Ray stops, and the result so far is written; Ctrl-C ends at once")
        return finished
    finally:
        dispatcher.interrupt_all()
        # Leaving a head that is lost takes long, and Ray ends the process soon: the result first.
        if not isinstance(sys.exception(), HeadLostError):
            session.leave()


def _check(spec: SearchSpec, session: RaySession) -> None:
    """Check what a search is made of, while Ray starts.

    Raises:
        UsageError: the cluster does not answer, or no node has what a worker asks for.
        ConfigError: lists what would end a training.
    """
    if session.local:
        require_here(spec.resources)
    trials = counted(spec.trials, "trial")
    with _announced(f"{spec.name}: checking the models of {trials} and starting Ray"):
        if session.local:
            session.begin()
        else:
            session.connect()
        require(Plan.of_search(spec))


@contextmanager
def _announced(what: str) -> Iterator[None]:
    """Print what the block does, if it takes longer than `INSTANT_SECONDS`."""
    timer = threading.Timer(INSTANT_SECONDS, say, [what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _session(spec: SearchSpec, address: str | None) -> RaySession:
    """Return the Ray of a search, whose workers import what trials of ours need."""
    students = spec.resources.students
    trainings = sum(stage.trainings for stage in stages(spec))
    workers = -(-trainings // students) if isinstance(students, int) else trainings
    modules = [PRELOAD] if spec.trainable == DEFAULT_TRAINABLE else []
    limit = spec.resources.concurrent or workers
    return RaySession(address, spec.resources, min(workers, limit), modules)


def _nothing_left(spec: SearchSpec, closed: str) -> str:
    """Return what to say of a search that is over: how it goes on, how it starts over."""
    more = f"--set trials=N with N above {spec.trials} adds trials"
    if closed.startswith("budget"):
        more = f"a larger budget, such as --set budget.epochs=N, goes on ({closed})"
    return f"{spec.name}: nothing left to run; {more}; --fresh starts over"


def _announce(spec: SearchSpec, run: RunFolder, concurrent: int) -> None:
    """Print what is about to run, and how to follow it from elsewhere."""
    plan = stages(spec)
    counts = ", ".join(f"{stage.name} {stage.trainings}" for stage in plan)
    epochs = sum(stage.epochs for stage in plan)
    affordable = BudgetGuard(spec, 0).room(Cost(), wall_seconds=0.0, workers=concurrent)
    most = counted(min(epochs, affordable), "epoch")
    most += "" if epochs <= affordable else " (the budget)"
    place = run.shown()
    trainings = counted(sum(stage.trainings for stage in plan), "training")
    explain(f"{spec.name}: {trainings} ({counts}), at most {most}, {concurrent} at a time")
    end = "Ctrl-C ends it cleanly."
    if in_job():
        end = "`tid-tune submit` with --stop, or `ray job stop`, ends it cleanly."
    explain(f"  in {place}; from another shell: `tid-tune status {run.pasted()}`. {end}")


@contextmanager
def _tracking(
    spec: SearchSpec, search: Search, run: RunFolder, root: Path
) -> Iterator[Tracker | None]:
    if not spec.tracking.enabled:
        yield None
        return
    # A database in the package of a job would be lost with it.
    address = address_of(spec, run.path.parent if in_package(root) else root)
    if address.variables:
        where = f"{address.shown}, experiment {address.experiment_id or address.experiment}"
        explain(f"MLflow: {where} ({', '.join(address.variables)} of the environment)")
    subject = subject_of(spec)
    tracker = Tracker(spec, search.state.run_id, run.ledger, address, subject, run.files)
    search.observe(tracker.notify)
    tracker.start()
    try:
        yield tracker
    finally:
        # A search that ends with an error must not leave a thread that copies beside the next one.
        tracker.stop()
