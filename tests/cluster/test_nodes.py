"""Which nodes are asked, about what, and when the driver trusts what they wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.search_cases import make_spec

from tid_tune.cluster import nodes as asking
from tid_tune.errors import UsageError
from tid_tune.nodes.survey import NodeFacts, Questions
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
