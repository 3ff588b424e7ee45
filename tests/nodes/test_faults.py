"""What is wrong with nodes that differ, and what to do about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tid_tune.nodes.faults import node_findings
from tid_tune.nodes.survey import MISSING, DataFacts, Dataset, NodeFacts, Questions

ASKED = Questions(
    root=Path("/project"),
    run="/project/runs/s",
    probe=".nodes-1",
    token="t",
    datasets=(Dataset("train", Path("data/train.json"), (Path("data/images"),)),),
    teacher=Path("teacher.pth"),
)


def node(name: str, **changes: object) -> NodeFacts:
    facts = NodeFacts(
        node=name,
        free=10**12,
        data=(DataFacts("train", 300, 912, "aaaaaaaa"),),
        teacher="bbbbbbbb",
        versions=(("tid-tune", "0.9"), ("torch", "2.9.0")),
    )
    return replace(facts, **changes)  # type: ignore[arg-type]


def found(*nodes: NodeFacts) -> list[tuple[str, str]]:
    return [(one.severity, one.text) for one in node_findings(nodes, ASKED)]


def test_nodes_that_are_alike_have_no_fault() -> None:
    assert found(node("a"), node("b"), node("c")) == []


def test_the_node_that_differs_from_most_is_named() -> None:
    other = (DataFacts("train", 301, 912, "cccccccc"),)
    ((severity, text),) = found(node("a", data=other), node("b"), node("c"))
    assert severity == "error"
    assert text.startswith("train data: a: another content of data/train.json (digest cccccccc)")
    ((severity, text),) = found(node("a"), node("b", teacher="dddddddd"), node("c"))
    assert severity == "error"
    assert "teacher.pth: another file (digest dddddddd) on b" in text


def test_what_is_missing_on_several_nodes_is_one_error() -> None:
    lacking = (DataFacts("train", missing=("/project/data/train.json",)),)
    nodes = [node(name, data=lacking) for name in "abcdef"]
    ((severity, text),) = found(*nodes, *(node(name) for name in "ghijkl"))
    assert severity == "error"
    assert "6 nodes, a, b, c, d and 2 more: missing /project/data/train.json; copy" in text
    ((severity, text),) = found(node("a", teacher=MISSING), node("b"))
    assert severity == "error"
    assert "teacher.pth is missing on a" in text


def test_a_folder_that_is_not_shared_is_an_error_with_the_way_out() -> None:
    ((severity, text),) = found(node("a", storage="not the driver's folder", free=None))
    assert severity == "error"
    assert "/project/runs/s is not the driver's folder" in text
    assert "--runs" in text


def test_another_version_of_tid_tune_is_an_error_and_one_of_torch_a_warning() -> None:
    usual = node("a").versions
    ours = node("c", versions=(("tid-tune", "0.8"), usual[1]))
    theirs = node("d", versions=(usual[0], ("torch", "2.8.0")))
    texts = found(node("a"), node("b"), ours, theirs)
    assert [severity for severity, _ in texts] == ["error", "warning"]
    assert "c: version 0.8" in texts[0][1]
    assert "d: version 2.8.0" in texts[1][1]


def test_little_free_space_is_a_warning_that_names_keep() -> None:
    ((severity, text),) = found(node("a", free=10**8), node("b"))
    assert severity == "warning"
    assert text.startswith("storage: a: less than 2 GB")
    assert "keep" in text


def test_a_node_that_does_not_report_is_an_error() -> None:
    silent = NodeFacts("b", fault="no answer within 180 s")
    assert found(node("a"), silent) == [("error", "b: no answer within 180 s")]
