"""What a worker holds on a cluster, and how many workers fit on its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tid_tune.searchfile.model import Resources

if TYPE_CHECKING:
    from ray.tune import PlacementGroupFactory

STRATEGIES = {"pack": "PACK", "node": "STRICT_PACK", "any": "SPREAD"}
"""Ray's placement of the ranks of a worker, by `resources.spread`."""


def bundles(resources: Resources) -> PlacementGroupFactory:
    """Return what a worker holds: one bundle a rank; the worker itself is the first rank."""
    from ray.tune import PlacementGroupFactory

    each = {"CPU": resources.cpus, "GPU": resources.gpus}
    strategy = STRATEGIES[resources.spread] if resources.ranks > 1 else "PACK"
    return PlacementGroupFactory([each] * resources.ranks, strategy=strategy)


def fitting(nodes: Sequence[dict[str, float]], resources: Resources) -> int:
    """Return how many workers fit on empty nodes, given what each node has."""
    places = [_places(node, resources) for node in nodes]
    if resources.spread == "node":
        return sum(count // resources.ranks for count in places)
    return sum(places) // resources.ranks


def asked(resources: Resources) -> str:
    """Return what a worker asks for, in words."""
    each = f"{resources.cpus:g} CPUs and {resources.gpus:g} GPUs"
    if resources.ranks == 1:
        return each
    where = " on one node" if resources.spread == "node" else ""
    return f"{resources.ranks} ranks{where}, each with {each}"


def here() -> tuple[str, str]:
    """Return the address and the id of the node that this process runs on."""
    import ray

    return str(ray.util.get_node_ip_address()), str(ray.get_runtime_context().get_node_id())


def _places(node: dict[str, float], resources: Resources) -> int:
    """Return how many ranks fit on an empty node."""
    needs = [("CPU", resources.cpus), ("GPU", resources.gpus)]
    # The epsilon: 0.3 + 0.3 + 0.3 must count as fitting in 0.9.
    return min(int(node.get(kind, 0) / need + 1e-9) for kind, need in needs if need > 0)
