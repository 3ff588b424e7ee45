"""What is printed of the nodes before a search fits any width, and nothing is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tid_tune.nodes.survey import MISSING, DataFacts, Dataset, Gpu, NodeFacts, Questions
from tid_tune.report.leaderboard import to_text
from tid_tune.report.nodes import NAMED, ROWS, node_table

ASKED = Questions(
    root=Path("/project"),
    run="/project/runs/s",
    probe=".nodes-1",
    token="t",
    datasets=(Dataset("train", Path("data/train.json")),),
    teacher=Path("teacher.pth"),
)
VERSIONS = {"tid-tune": "0.1.0", "torch": "2.13.0", "mmdet": "3.5.1", "mmengine": "0.10.12"}


def node(number: int, *, free: int | None = 10**12, gpus: int = 8, **changes: object) -> NodeFacts:
    facts = NodeFacts(
        node=f"10.0.0.{number} ({number:06x})",
        free=free,
        data=(DataFacts("train", 300, 912, "aaaaaaaa"),),
        teacher="bbbbbbbb",
        versions=tuple((VERSIONS | {"mmcv": "2.3.6", "ray": "2.60.0"}).items()),
        gpus=(Gpu("NVIDIA A100-SXM4-80GB", 79 * 10**9, 80 * 10**9),) * gpus,
    )
    return replace(facts, **changes)  # type: ignore[arg-type]


def lines(nodes: list[NodeFacts], width: int = 80) -> list[str]:
    found = to_text(node_table(nodes, ASKED, width), width).splitlines()
    assert all(len(line) <= width for line in found)
    return found


def test_what_all_nodes_have_is_said_once_below_a_row_for_each() -> None:
    head, first, second, *facts = lines([node(1), node(2, free=71_700_000_000)])
    assert head.split()[:3] == ["node", "storage", "free"]
    assert first.split(maxsplit=6) == [
        *("10.0.0.1", "(000001)", "written,", "read", "1", "TB"),
        "8 x A100-SXM4-80GB 79 GB",
    ]
    assert "71.7 GB" in second
    assert facts == [
        "train     300 images, 912 objects (aaaaaaaa)",
        "teacher   bbbbbbbb",
        "versions  tid-tune 0.1.0, torch 2.13.0, mmdet 3.5.1, mmengine 0.10.12,",
        "          mmcv 2.3.6, ray 2.60.0",
    ]


def test_what_differs_has_a_line_with_the_nodes() -> None:
    older = node(2, versions=(*node(2).versions[:-1], ("ray", "2.59.0")))
    lacking = node(3, teacher=MISSING, storage="not the driver's folder", free=None, gpus=0)
    text = lines([node(1), older, lacking, NodeFacts("n4", fault="no answer within 180 s")], 100)
    rows = dict(line.split("  ", 1) for line in text[3:5])
    assert rows["10.0.0.3 (000003)"].split() == ["not", "usable", "-", "-"]
    assert rows["n4"].split() == ["no", "report", "-", "-"]
    assert text[6:8] == ["teacher   bbbbbbbb", "          missing on 10.0.0.3 (000003)"]
    assert text[-1] == "          ray 2.59.0 on 10.0.0.2 (000002)"


@pytest.mark.parametrize("width", [60, 80, 100])
def test_many_nodes_that_are_alike_share_a_row(width: int) -> None:
    others = ROWS + NAMED
    nodes = [node(number, free=10**11 * number) for number in range(1, others)]
    changed = (DataFacts("train", 301, 913, "cccccccc"),)
    text = lines([*nodes, *(node(others + at, gpus=1, data=changed) for at in range(5))], width)
    assert text[1].split("  ")[0] == f"10.0.0.1 (000001) +{others - 2}"
    assert ">= 100 GB" in text[1]
    shown = "\n".join(text)
    assert "8 x A100-SXM4-80GB" in shown, "in a line of its own where a column has no room"
    assert "301 images, 913 objects (cccccccc) on" in shown
    assert "2 more" in shown


def test_no_node_that_reports_leaves_the_rows_alone() -> None:
    assert len(lines([NodeFacts("n1", fault="no answer within 180 s")])) == 2
