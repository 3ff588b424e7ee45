"""Connecting to Ray: a cluster that is named, or one started here for this search alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from tid_tune.cluster.placement import asked, fitting
from tid_tune.cluster.recent import Recent
from tid_tune.cluster.starting import leave, start
from tid_tune.errors import UsageError
from tid_tune.searchfile.model import Resources

OBJECT_STORE_BYTES = 128 * 2**20
"""Trials exchange a few kilobytes; Ray's default would reserve a third of the memory."""
CAPACITY_SECONDS = 5.0
LOCAL = "local"

ENVIRONMENT = {
    # OpenMP threads that wait would spin: beside any other process, a training slows down tenfold.
    "GOMP_SPINCOUNT": "2000",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


@contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Connect to `address` (or `RAY_ADDRESS`); without either, start Ray on this machine.

    Ray would otherwise join any cluster it finds on the machine.

    Raises:
        UsageError: the address does not answer.
        TidTuneError: Ray did not start.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    address = _address(address)
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if is_local(address):
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    start(address, options, local=is_local(address))
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        yield
    finally:
        leave()


def is_local(address: str | None) -> bool:
    """Return whether Ray is started on this machine, for this search alone."""
    return _address(address) == LOCAL


def _address(address: str | None) -> str:
    return address or os.environ.get("RAY_ADDRESS") or LOCAL


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
    """How many trials may run at once on the cluster now, at least 1."""

    def __init__(
        self, resources: Resources, draining: Callable[[], Collection[str]] = tuple
    ) -> None:
        super().__init__(self._count, CAPACITY_SECONDS)
        self._resources = resources
        self._draining = draining

    def _count(self) -> int:
        import ray

        going = self._draining()
        stay = [node for node in ray.nodes() if node["Alive"] and node["NodeID"] not in going]
        nodes = [node["Resources"] for node in stay]
        most = fitting(nodes, self._resources)
        limit = self._resources.concurrent
        return max(1, most if limit is None else min(most, limit))
