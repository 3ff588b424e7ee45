"""`tid-tune run`: opens or resumes a run folder, runs what is left of the search, sums it up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tid_tune.cluster.dispatch import Dispatcher
from tid_tune.cluster.session import Capacity, check_resources, ray_session
from tid_tune.console import say, shown_path
from tid_tune.ledger.file import LEDGER_NAME, Ledger
from tid_tune.ledger.lock import FileLock, lock_path
from tid_tune.report.progress import Progress, View
from tid_tune.report.result import write_result
from tid_tune.results.costs import Cost
from tid_tune.search.engine import Search
from tid_tune.search.stages.budget import Budget
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.plan import stages
from tid_tune.tracking.tracker import Tracker, tracking_uri


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `failed` is empty, or says why there is no result."""

    run_dir: Path
    complete: bool
    failed: str = ""


def run_search(
    spec: SearchSpec, *, runs: Path, root: Path, address: str | None = None, fresh: bool = False
) -> Outcome:
    """Run `spec` in `runs`/NAME, going on from whatever is there.

    Args:
        spec: the search.
        runs: the folder that holds the run folders.
        root: where relative paths of the mmdet config start; workers run there too.
        address: a Ray cluster; None: `RAY_ADDRESS`, else Ray is started on this machine.
        fresh: move an earlier run of this name aside first.

    Raises:
        UsageError: the cluster, its resources or the earlier run do not fit the spec.
    """
    started = time.monotonic()
    run_dir = (runs / spec.name).resolve()
    if fresh:
        _move_aside(run_dir)
    with Ledger.open(run_dir / LEDGER_NAME) as ledger:
        search = Search.open(spec, ledger)
        for note in search.notes:
            say(note)
        with _tracking(spec, search, ledger, root) as tracker:
            finished = _work(spec, search, ledger, run_dir, root, address)
            result = write_result(search.state, spec, run_dir)
            missing = tracker.finish(result.metrics, result.artifacts) if tracker else None
        result.show(seconds=time.monotonic() - started)
        if missing:
            say(f"not everything is in MLflow yet: {missing}. The same command copies the rest.")
        if not finished:
            say(f"interrupted; the same command goes on from here. Ledger: {run_dir / LEDGER_NAME}")
        return Outcome(run_dir, finished, result.failed if finished else "")


def _work(
    spec: SearchSpec,
    search: Search,
    ledger: Ledger,
    run_dir: Path,
    root: Path,
    address: str | None,
) -> bool:
    """Run what is left; whether the search came to its end."""
    capacity = Capacity(spec.resources)
    dispatcher = Dispatcher(spec, search, run_dir, root, capacity)
    if not dispatcher.has_work():
        say(f"{spec.name}: nothing left to run; --fresh starts anew")
        return True
    from tid_tune.cluster.tuner import tune

    progress = Progress(spec, sum(stage.trainings for stage in stages(spec)))
    for event in ledger.events():
        progress.apply(event)
    try:
        with ray_session(address):
            check_resources(spec.resources)
            _announce(spec, run_dir, capacity())
            with View(progress, capacity) as view:
                ledger.subscribe(view.on_event)
                return tune(spec, dispatcher, run_dir)
    finally:
        dispatcher.interrupt_all()


def _announce(spec: SearchSpec, run_dir: Path, concurrent: int) -> None:
    """Say what is about to run, and how to follow it from elsewhere."""
    plan = stages(spec)
    counts = ", ".join(f"{stage.name} {stage.trainings}" for stage in plan)
    epochs = sum(stage.epochs for stage in plan)
    affordable = Budget(spec, 0).room(Cost(), wall_seconds=0.0, workers=concurrent)
    most = f"{epochs:g} epochs" if epochs <= affordable else f"{affordable:g} epochs (the budget)"
    place = shown_path(run_dir)
    say(f"{spec.name}: {counts} trainings, at most {most}, {concurrent} at a time")
    say(f"  in {place}; from another shell: tid-tune status {place}. Ctrl-C ends it cleanly.")


@contextmanager
def _tracking(
    spec: SearchSpec, search: Search, ledger: Ledger, root: Path
) -> Iterator[Tracker | None]:
    if not spec.tracking.enabled or ledger.path is None:
        yield None
        return
    tracker = Tracker(spec, search.state.run_id, ledger.path, tracking_uri(spec, root))
    ledger.subscribe(tracker.notify)
    tracker.start()
    yield tracker


def _move_aside(run_dir: Path) -> None:
    """Keep an earlier run as NAME.1, NAME.2, ...; UsageError while another driver is at it."""
    if not run_dir.exists():
        return
    lock = FileLock(lock_path(run_dir / LEDGER_NAME))
    number = 1
    while (aside := run_dir.with_name(f"{run_dir.name}.{number}")).exists():
        number += 1
    run_dir.rename(aside)
    lock.release()
    say(f"the earlier run is kept in {shown_path(aside)}")
