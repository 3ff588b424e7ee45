"""Which nodes are asked, about what, and when the driver trusts what they wrote."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from support.search_cases import make_spec

from tid_tune.cluster import nodes as asking
from tid_tune.errors import UsageError
from tid_tune.nodes.survey import MISSING, NodeFacts, Questions
from tid_tune.results.run_folder import RunFolder
from tid_tune.searchfile.model import Resources
from tid_tune.space import Fixed

CONFIG = """
train_dataloader = dict(dataset=dict(type="RepeatDataset", dataset=dict(
    type="CocoDataset", data_root="data/", ann_file="train.json", data_prefix=dict(img="train/"))))
val_dataloader = dict(dataset=dict(
    type="CocoDataset", data_root="data/", ann_file="val.json", data_prefix=dict(img="val/")))
model = dict(type="Distiller", teacher=dict(config="t.py", checkpoint="t.pth"))
"""


def test_the_files_that_the_config_and_the_search_name_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    spec = make_spec(
        trial=tmp_path / "config.py",
        space={"train_dataloader.dataset.dataset.data_root": Fixed(value="/fixed")},
    )
    monkeypatch.chdir(tmp_path)
    assert asking._named_files(spec)[1] is None, "nobody has it"
    (tmp_path / "t.pth").touch()
    datasets, teacher = asking._named_files(spec)
    assert [(one.part, one.annotations, one.images) for one in datasets] == [
        ("train", Path("/fixed/train.json"), (Path("/fixed/train"),)),
        ("val", Path("data/val.json"), (Path("data/val"),)),
    ]
    assert teacher == Path("t.pth")


def test_only_live_nodes_that_can_hold_a_worker_are_asked() -> None:
    def node(name: str, alive: bool = True, **has: float) -> dict[str, object]:
        return {"NodeID": name, "NodeManagerAddress": "::1", "Alive": alive, "Resources": has}

    nodes = [node("c", CPU=8, GPU=1), node("head", CPU=8), node("b", CPU=4, GPU=2)]
    usable = asking._usable([*nodes, node("a", False, CPU=8, GPU=8)], Resources(cpus=4, gpus=1))
    assert [one["NodeID"] for one in usable] == ["b", "c"]


def test_a_node_whose_file_the_driver_does_not_see_writes_elsewhere(tmp_path: Path) -> None:
    run, asked = RunFolder(tmp_path), Questions(tmp_path, str(tmp_path), "probe", "token")
    assert asking._checked(NodeFacts("n1"), run, asked).storage
    run.files.write("probe/n1", "token")
    assert not asking._checked(NodeFacts("n1"), run, asked).storage


def test_a_search_ends_before_its_first_trial_where_the_data_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    (tmp_path / "t.pth").touch()
    spec, run = make_spec(trial=tmp_path / "config.py"), RunFolder(tmp_path / "run")
    with pytest.raises(UsageError) as caught:
        asking.check_nodes(spec, run, tmp_path, local=True)
    train, val = caught.value.messages
    assert "train.json" in train
    assert "val.json" in val
    assert "written, read" in capsys.readouterr().out
    assert not list(run.path.iterdir()), "nothing of the probe is left"


def test_a_node_that_joins_counts_when_it_has_reported_and_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two join at once: one lacks the teacher. A third one is there from the beginning."""

    def has(teacher: str, name: str) -> NodeFacts:
        return NodeFacts(name, teacher=teacher, versions=(("ray", "2"),))

    there = ["n1"]
    facts = {"n1": has("ab", "n1"), "n2": has(MISSING, "n2"), "n3": has("ab", "n3")}
    rounds: list[list[str]] = []

    def ask(questions: Questions, nodes: list[str]) -> dict[str, NodeFacts]:
        assert (tmp_path / "run" / questions.probe).is_dir(), "nodes can write into it"
        rounds.append(nodes)
        return {name: facts[name] for name in nodes}

    monkeypatch.setattr(asking, "_usable_now", lambda _: [{"NodeID": name} for name in there])
    monkeypatch.setattr(asking, "_ask", lambda q, _, new, over: ask(q, [n["NodeID"] for n in new]))
    questions = Questions(tmp_path, "run", ".nodes-1", "token", teacher=Path("t.pth"))
    asked = asking.Asked(questions, {"n1": facts["n1"]}, frozenset())
    newcomers = asking.Newcomers(RunFolder(tmp_path / "run"), Resources())
    assert newcomers.fits("n1"), "as long as no node has been asked"
    fit = {"n1"}
    asked = newcomers._look(asked, fit)
    there += ["n2", "n3"]
    for _ in range(2):
        asked = newcomers._look(asked, fit)
    assert rounds == [["n2", "n3"]], "each is asked once"
    assert fit == {"n1", "n3"}
    *lines, joined = capsys.readouterr().out.splitlines()
    warning = " ".join(line.strip() for line in lines)
    assert warning.startswith("warning: a node has joined")
    assert "n2" in warning
    assert "t.pth is missing" in warning
    assert joined == "a node has joined: n3"
    assert not list((tmp_path / "run").iterdir()), "nothing of the probe is left"


def test_the_thread_that_asks_ends_with_the_search_whatever_ray_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()

    def gone(resources: Resources) -> list[dict[str, object]]:
        looked.set()
        raise ConnectionError("Ray is gone")

    monkeypatch.setattr(asking, "_usable_now", gone)
    monkeypatch.setattr(asking, "LOOK_SECONDS", 0.001)
    questions = Questions(tmp_path, "run", ".nodes-1", "")
    asked = asking.Asked(questions, {"n1": NodeFacts("n1")}, frozenset())
    newcomers = asking.Newcomers(RunFolder(tmp_path), Resources())
    before = threading.active_count()
    with newcomers.asked(asked):
        assert looked.wait(10)
        assert newcomers.fits("n1")
        assert not newcomers.fits("n2")
    assert threading.active_count() == before


def test_an_answer_that_failed_is_the_nodes_fault_and_not_the_drivers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    def fail(reference: object) -> None:
        raise ModuleNotFoundError("No module named 'tid_tune'")

    monkeypatch.setattr(ray, "get", fail)
    facts = asking._answer("ref", "n1")
    assert "No module named 'tid_tune'" in facts.fault
    assert "must be installed" in facts.fault
