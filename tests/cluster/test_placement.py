"""How many workers fit on the nodes of a cluster, with one rank and with several."""

from __future__ import annotations

import pytest

from tid_tune.cluster.placement import asked, fitting
from tid_tune.searchfile.model import Resources, Spread

NODES: list[dict[str, float]] = [{"CPU": 8, "GPU": 3}, {"CPU": 8, "GPU": 3}, {"CPU": 64}]


@pytest.mark.parametrize(
    ("ranks", "spread", "count"),
    [
        (1, "pack", 6),
        (1, "node", 6),
        (2, "pack", 3),
        # A node of three has room for one pair.
        (2, "node", 2),
        (2, "any", 3),
        (4, "pack", 1),
        (4, "node", 0),
        (7, "any", 0),
    ],
)
def test_ranks_are_counted_over_nodes_as_they_may_be_spread(
    ranks: int, spread: Spread, count: int
) -> None:
    resources = Resources(cpus=1, gpus=1, ranks=ranks, spread=spread)
    assert fitting(NODES, resources) == count


def test_the_tightest_resource_counts_and_a_fraction_is_exact() -> None:
    assert fitting([{"CPU": 4, "GPU": 8}], Resources(cpus=2, gpus=1)) == 2
    assert fitting([{"CPU": 0.9}], Resources(cpus=0.3)) == 3


def test_what_a_worker_asks_for_is_told_with_its_ranks() -> None:
    assert asked(Resources(cpus=2, gpus=1)) == "2 CPUs and 1 GPUs"
    text = asked(Resources(cpus=4, gpus=1, ranks=8, spread="node"))
    assert text == "8 ranks on one node, each with 4 CPUs and 1 GPUs"
