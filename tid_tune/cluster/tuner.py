"""Runs a search on Ray Tune: assembles the Tuner and answers its signals."""

from __future__ import annotations

import errno
import hashlib
import importlib
import importlib.util
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from tid_tune.cluster.dispatch import Dispatcher
from tid_tune.cluster.head import HeadWatch
from tid_tune.cluster.placement import bundles
from tid_tune.errors import TidTuneError, UsageError
from tid_tune.import_path import search_current_folder
from tid_tune.results.run_folder import RunFolder
from tid_tune.searchfile.model import SearchSpec

if TYPE_CHECKING:
    from ray.tune import Tuner
    from ray.tune.experiment import Trial

    from tid_tune.cluster.parcel import Parcel
    from tid_tune.cluster.trainable import TrialTrainable

FULL = os.strerror(errno.ENOSPC)
UNBOUNDED = 10**9
"""The engine says when the search is over, not Tune's sample count."""


def tune(
    spec: SearchSpec, dispatcher: Dispatcher, run: RunFolder, parcel: Parcel | None = None
) -> bool:
    """Run trials until the engine has finished; return False if a signal ended it before.

    Args:
        spec: the search.
        dispatcher: what answers Tune.
        run: its folder.
        parcel: what workers read in place of the driver's folder.
    """
    import ray
    from ray import tune as ray_tune

    from tid_tune.cluster.actors import tolerant_actors
    from tid_tune.cluster.adapters import EngineCallback, EngineScheduler, EngineSearcher

    trainable = load_trainable(spec.trainable)
    if spec.resources.packs and not trainable.trains_packs:
        raise UsageError(
            f"resources.students: {spec.trainable} trains one trial at a time; set it to 1, or "
            "derive the class from trainables.distillation:DistillationTrainable"
        )
    if spec.resources.ranks > 1 and not trainable.trains_ranks:
        raise UsageError(
            f"resources.ranks: {spec.trainable} trains a trial in one process; set it to 1, or "
            "derive the class from trainables.distillation:DistillationTrainable"
        )
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    head = HeadWatch(str(ray.get_runtime_context().gcs_address))
    with tolerant_actors() as ends, head.running(), _signals() as interrupted:
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(_with(parcel, trainable), bundles(spec.resources)),
            tune_config=ray_tune.TuneConfig(
                search_alg=EngineSearcher(dispatcher),
                scheduler=EngineScheduler(dispatcher, ends),
                num_samples=UNBOUNDED,
                reuse_actors=True,
                trial_name_creator=_short_name,
                trial_dirname_creator=_short_name,
            ),
            run_config=ray_tune.RunConfig(
                name=spec.name,
                storage_path=str(run.ray.resolve()),
                callbacks=[EngineCallback(dispatcher, head.check)],
                verbose=0,
            ),
        )
        _fit(tuner, dispatcher)
    # At once: a second signal may end the driver while Ray shuts down.
    dispatcher.interrupt_all()
    # Tune's own state: the ledger replaces it, and it grows with every trial.
    shutil.rmtree(run.ray, ignore_errors=True)
    return not interrupted.is_set()


def _with(parcel: Parcel | None, trainable: type[TrialTrainable]) -> type[TrialTrainable]:
    """Return the trainable with the parcel; Ray sends a class that no module has by value, once."""
    if parcel is None:
        return trainable
    return type(trainable.__name__, (trainable,), {"parcel": parcel})


def _fit(tuner: Tuner, dispatcher: Dispatcher) -> None:
    """Run Tune's loop; what the ledger could not record is raised as it was, without Tune's text.

    Raises:
        TidTuneError: the search could not be recorded, or the disk is full.
    """
    try:
        tuner.fit()
    except Exception as error:
        if dispatcher.broken is not None:
            raise dispatcher.broken from None
        if FULL in str(error):
            raise TidTuneError(
                f"the disk is full: {str(error).strip().splitlines()[-1]}. Free some space and run "
                "the same command again: it resumes."
            ) from None
        raise


def _short_name(trial: Trial) -> str:
    return str(trial.trial_id)


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Let SIGINT and SIGTERM end Tune cleanly inside the block; a second one ends it at once."""
    interrupted = threading.Event()

    def stop(number: int, frame: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        os.kill(os.getpid(), signal.SIGUSR1)

    # Tune would replace our SIGINT handler; it always listens to SIGUSR1.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    if threading.current_thread() is not threading.main_thread():
        # Python delivers signals to the main thread only, whose program handles them.
        yield interrupted
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def load_trainable(name: str) -> type[TrialTrainable]:
    """Import `module:Class` or `path/to/file.py:Class`.

    Raises:
        UsageError: it cannot be imported, or is not a TrialTrainable.
    """
    from tid_tune.cluster.trainable import TrialTrainable

    place, _, attribute = name.rpartition(":")
    search_current_folder()
    try:
        module = (
            _import_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
        )
        found = getattr(module, attribute)
    except (ImportError, AttributeError, FileNotFoundError) as error:
        raise UsageError(
            f"trainable: {name!r} cannot be imported: {error}. Write `module:Class` "
            "or `path/to/file.py:Class`."
        ) from error
    if not (isinstance(found, type) and issubclass(found, TrialTrainable)):
        raise UsageError(
            f"trainable: {name!r} is not a class derived from "
            "tid_tune.cluster.trainable.TrialTrainable."
        )
    return found


def _import_file(path: Path) -> ModuleType:
    """Import a user's file under a private name, and let Ray ship it by value to the workers.

    The file's own name may be that of another module: a `random.py` must not replace Python's.
    """
    import ray.cloudpickle as pickle

    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"_tid_tune_trainable_{digest}"
    description = importlib.util.spec_from_file_location(name, path)
    if description is None or description.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(description)
    # Before it runs: dataclasses look their module up.
    sys.modules[name] = module
    try:
        description.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    pickle.register_pickle_by_value(module)
    return module
