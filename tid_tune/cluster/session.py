"""Connecting to Ray: a cluster that is named, or one started here for this search alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

from tid_tune.cluster.head import require_cluster
from tid_tune.cluster.placement import asked, fitting
from tid_tune.cluster.privacy import pass_on_variables
from tid_tune.cluster.recent import Recent
from tid_tune.cluster.starting import leave, start
from tid_tune.errors import UsageError
from tid_tune.searchfile.model import Resources

OBJECT_STORE_BYTES = 128 * 2**20
"""Trials exchange a few kilobytes; Ray's default would reserve a third of the memory."""
IDLE_MS = 300_000
"""Ray would end a process that has imported what a trial needs before it gets a trial."""
CAPACITY_SECONDS = 5.0
LOCAL = "local"

ENVIRONMENT = {
    # OpenMP threads that wait would spin: beside any other process, a training slows down tenfold.
    "GOMP_SPINCOUNT": "2000",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # Workers that start at a time; Tune's own number for a searcher like ours is 1.
    "TUNE_MAX_PENDING_TRIALS_PG": "16",
    # Seconds between Tune's own snapshots of all its trials, which nobody reads.
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "PL_DISABLE_FORK": "1",  # Tune sets it in all workers
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


class RaySession:
    """Ray, as a search uses it: a cluster that is joined, or one that is started here for it alone.

    Ray would otherwise join any cluster it finds on the machine. It starts in the background, so
    that what the search is made of is checked meanwhile. Leaving the block ends it.

    Args:
        address: a Ray cluster; None: `RAY_ADDRESS`, else Ray is started on this machine.
        resources: of a worker.
        workers: so many run at once, at most.
        modules: workers import these when they start, where Ray starts here.

    Raises:
        UsageError: the address is one of another server of a cluster.
    """

    def __init__(
        self, address: str | None, resources: Resources, workers: int, modules: Sequence[str]
    ) -> None:
        self._address = address or os.environ.get("RAY_ADDRESS") or LOCAL
        require_cluster(self._address)
        self._resources = resources
        self._workers = workers
        self._modules = modules
        self._background = ThreadPoolExecutor(1, "ray")
        self._started: Future[None] | None = None

    @property
    def local(self) -> bool:
        """Whether Ray is started on this machine, for this search alone."""
        return self._address == LOCAL

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def begin(self) -> None:
        """Start or join Ray; return at once."""
        if self._started is None:
            self._started = self._background.submit(self._start)

    def connect(self) -> None:
        """Wait until Ray answers, and check that its nodes have what a worker asks for.

        Raises:
            UsageError: the address does not answer, or no node has the resources.
            TidTuneError: Ray did not start.
        """
        self.begin()
        pass_on_variables(local=self.local)
        assert self._started is not None
        self._started.result()
        check_resources(self._resources)

    def leave(self) -> None:
        """Leave the cluster, or end the Ray that was started here."""
        if self._started is not None:
            self._background.shutdown(cancel_futures=True)
            self._started = None
            leave()

    def _start(self) -> None:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if self.local:
            options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
            if self._idle_processes() <= 1:
                options["_system_config"] = {
                    "preload_python_modules": list(self._modules),
                    "idle_worker_killing_time_threshold_ms": IDLE_MS,
                }
        start(self._address, options, local=self.local)
        logging.getLogger("ray").setLevel(logging.ERROR)

    def _idle_processes(self) -> int:
        """Return how many of the processes that Ray starts at once, one a CPU, will have no trial.

        What they import stays in their memory.
        """
        cpus, resources = os.cpu_count() or 1, self._resources
        if resources.gpus:
            return cpus
        return cpus - resources.ranks * min(self._workers, fitting([{"CPU": cpus}], resources))


def check_resources(resources: Resources) -> None:
    """Check that the nodes have what one trial asks for.

    Raises:
        UsageError: they do not.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not fitting(nodes, resources):
        have = "; ".join(f"{n.get('CPU', 0):g} CPUs, {n.get('GPU', 0):g} GPUs" for n in nodes)
        raise UsageError(
            f"resources: a trial asks for {asked(resources)}, "
            f"and no node has them (nodes: {have}). Lower resources.cpus or resources.gpus, "
            "for example with --set resources.gpus=0."
        )


class Capacity(Recent[int]):
    """How many trials may run at once on the cluster now, at least 1.

    Args:
        resources: of a trial.
        draining: returns the ids of the nodes that are about to go.
        fits: tells whether a node, by its id, has what trials need.
    """

    def __init__(
        self,
        resources: Resources,
        draining: Callable[[], Collection[str]] = tuple,
        fits: Callable[[str], bool] = lambda node: True,
    ) -> None:
        super().__init__(self._count, CAPACITY_SECONDS)
        self._resources = resources
        self._draining = draining
        self._fits = fits

    def _count(self) -> int:
        import ray

        going = self._draining()
        alive = {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}
        nodes = [has for name, has in alive.items() if name not in going and self._fits(name)]
        most = fitting(nodes, self._resources)
        limit = self._resources.concurrent
        return max(1, most if limit is None else min(most, limit))
