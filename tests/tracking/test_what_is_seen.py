"""What a person sees in MLflow: names, the description, views, data, files, and no secret."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from PIL import Image
from support.mlflow_story import STORY, children, copy_all, end, mirror, report, start, suggest

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import Event, Placed, Proved
from tid_tune.ledger.records import Status
from tid_tune.ledger.state import RunState
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import LogUniform
from tid_tune.space.space import METHOD_PATH
from tid_tune.storage.files import FolderFiles
from tid_tune.tracking.address import Address
from tid_tune.tracking.charts import charts
from tid_tune.tracking.interface import find_place
from tid_tune.tracking.mlflow_sync import Mirror
from tid_tune.tracking.names import rung_name, trial_name
from tid_tune.tracking.search_run import PICTURE_WIDTH
from tid_tune.tracking.subject import subject_of
from tid_tune.tracking.tags import NOTE_TAG

KEY = "model.distillation.key_weight"
SECRET = "planted-9f8e7d"
CONFIG = """
model = dict(
    type="Distiller",
    student=dict(type="GFL", backbone=dict(type="ResNet", depth=18)),
    teacher=dict(config="teacher.py", checkpoint="http://me:planted-9f8e7d@host/teacher.pth"),
    distillation=dict(method="tid", key_weight=2.0),
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
train_dataloader = dict(
    dataset=dict(type="CocoDataset", data_root="${env:PLANTED}", ann_file="train.json"))
val_dataloader = dict(dataset=dict(type="CocoDataset", ann_file="val.json"))
"""


def baseline(trial: str, label: str) -> list[Event]:
    edits = {METHOD_PATH: "none"} if label == "none" else {}
    return [
        replace(suggest(trial, label=label), stage="baseline", edits=edits),
        start(trial),
        Placed(trial=trial, node="node-7"),
        Proved(trial=trial, effective=edits),
        report(trial, 1, 0.1),
        report(trial, 2, 0.2),
        end(trial, Status.COMPLETED),
    ]


@pytest.fixture
def seen(spec: SearchSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SearchSpec:
    """A search of which two values and a data set are known, and whose folder has secrets."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLANTED", SECRET)
    (tmp_path / "config.py").write_text(CONFIG)
    (tmp_path / "val.json").write_text("{}")
    (tmp_path / "trials/t0003").mkdir(parents=True)
    log = f"line 1\nread http://me:{SECRET}@host/teacher.pth\n"
    (tmp_path / "trials/t0003/trial.log").write_text(log)
    space = {**spec.space, KEY: LogUniform(low=0.1, high=10)}
    return spec.model_copy(update={"trial": tmp_path / "config.py", "space": space})


def test_runs_show_gain_values_data_and_files_and_no_secret(
    seen: SearchSpec, uri: str, tmp_path: Path
) -> None:
    made = Mirror(seen, "run", Address(uri, seen.name), subject_of(seen), FolderFiles(tmp_path))
    made.connect(began=1.5)
    values = {KEY: 0.5, "optim_wrapper.optimizer.lr": 0.01}
    suggested, *alone = baseline("t0001", "none")
    events: list[Event] = [
        *(STORY[0], suggested, *baseline("t0002", "defaults")),
        *(suggest("t0003", values), start("t0003"), report("t0003", 1, 0.3)),
        # The student alone comes last: only then are gains known, of trials that are over.
        *(report("t0003", 2, 0.5), end("t0003", Status.COMPLETED), *alone),
    ]
    copy_all(made, events)
    pictures = tmp_path / "report"
    pictures.mkdir()
    Image.new("RGB", (1440, 10)).save(pictures / "best_so_far.png")
    made.log_result({}, [str(pictures)])
    runs, client = children(seen, uri), MlflowClient(uri)
    names = {name: run.info.run_name for name, run in runs.items()}
    assert names == {
        "parent": f"{seen.name} 0.500 (+0.300)",
        "t0001": "t0001 none 0.200",
        "t0002": "t0002 defaults 0.200 (+0.000)",
        "t0003": "t0003 0.500 (+0.300)",
    }
    for trial in ("t0001", "t0002"):
        assert runs[trial].data.params["key_weight"] == "2.0", "of the config"
        assert runs[trial].data.tags["tid_tune.node"] == "node-7"
    assert runs["t0003"].data.params["key_weight"] == "0.5"
    methods = {name: run.data.params.get("method") for name, run in runs.items()}
    assert methods == {"parent": None, "t0001": "none", "t0002": "tid", "t0003": "tid"}
    assert runs["t0003"].data.params["log10/key_weight"] == "-0.30103"
    gains = client.get_metric_history(runs["t0003"].info.run_id, "gain")
    assert [(point.step, round(point.value, 6)) for point in gains] == [(1, 0.2), (2, 0.3)]
    (rung,) = client.get_metric_history(runs["t0003"].info.run_id, "rungs/bbox_mAP_epoch_2")
    assert (rung.step, rung.value) == (0, 0.5), "MLflow draws bars of what has no steps"
    parent = runs["parent"]
    assert parent.info.start_time == 1500
    assert parent.data.params["detector"] == "GFL, ResNet 18"
    assert parent.data.params["teacher"] == "teacher.py"
    assert parent.data.metrics["best/gain"] == pytest.approx(0.3)
    note = parent.data.tags["mlflow.note.content"]
    assert "+0.300 over the student alone" in note
    assert f"/runs/{runs['t0003'].info.run_id})" in note
    picture = "description/best_so_far.png"
    assert f"![{picture}](get-artifact?path=description%2Fbest_so_far.png&run_uuid=" in note
    with Image.open(client.download_artifacts(parent.info.run_id, picture)) as narrow:
        assert narrow.width == PICTURE_WIDTH
    for run in (parent, runs["t0003"]):
        (data,) = run.inputs.dataset_inputs
        assert (data.dataset.name, len(data.dataset.digest)) == ("val", 16)
    place = Path(client.download_artifacts(runs["t0003"].info.run_id, "", str(tmp_path)))
    assert json.loads((place / "config.json").read_text())["model"]["distillation"] == {
        "method": "tid",
        "key_weight": 0.5,
    }
    assert "line 1" in (place / "trial.log").read_text()
    for run in runs.values():
        found = Path(client.download_artifacts(run.info.run_id, "", str(tmp_path / "all")))
        texts = [path.read_text(errors="replace") for path in found.rglob("*") if path.is_file()]
        inputs = [one.dataset.source for one in run.inputs.dataset_inputs]
        assert SECRET not in str((run.data.params, run.data.tags, texts, inputs))


def test_views_list_all_trials_those_stopped_and_those_that_failed(
    spec: SearchSpec, uri: str
) -> None:
    made = mirror(spec, uri)
    copy_all(made, STORY)
    place = made.place
    assert find_place(Address(uri, spec.name), f"run-{spec.name}") == place
    assert find_place(Address(uri, spec.name), "another") is None
    client = MlflowClient(uri)
    runs = children(spec, uri)
    assert runs["parent"].info.end_time == 10_000, "when the search ended, not its copy"
    reason = "rung 1: 0.05 is not in the best third"
    assert runs["t0002"].data.tags[NOTE_TAG] == f"**stopped**: {reason}"
    note = runs["parent"].data.tags[NOTE_TAG]
    tags = client.get_experiment(place.experiment).tags
    trials = {}
    for tag, text in tags.items():
        if tag.startswith("mlflow.sharedViewState."):
            view = json.loads(text)
            state = json.loads(view["state"])
            found = client.search_runs([place.experiment], state["searchFilter"])
            trials[view["name"]] = sorted(run.data.tags["tid_tune.trial"] for run in found)
            assert set(state["selectedColumns"]) <= set(state["columnOrder"])
            assert f"viewStateShareKey={tag.rpartition('.')[2]})" in note
    assert trials == {
        spec.name: ["t0001", "t0002", "t0003"],
        f"{spec.name}: stopped": ["t0002"],
        f"{spec.name}: failed": ["t0003"],
    }
    assert place.trials_url("http://host:5000/") == (
        f"http://host:5000/#/experiments/{place.experiment}/runs?workflowType=machine_learning"
        f"&viewStateShareKey={place.run}"
    )


def test_charts_show_what_trials_of_full_length_have(seen: SearchSpec, uri: str) -> None:
    """A name that no run has is an empty chart in MLflow, or one without lines."""
    made = Mirror(seen, "run", Address(uri, seen.name), subject_of(seen))
    made.connect()
    copy_all(made, STORY)
    trial = children(seen, uri)["t0001"].data
    shown = charts(seen, subject_of(seen).common_paths(seen))["compareRunCharts"]
    assert isinstance(shown, list)
    metrics = {one["metricKey"] for one in shown if "metricKey" in one}
    (axes,) = [one for one in shown if one["type"] == "PARALLEL"]
    assert metrics | set(axes["selectedMetrics"]) <= {*trial.metrics, "gain"}
    assert axes["selectedParams"] == ["log10/lr", "log10/key_weight"]
    assert set(axes["selectedParams"]) <= set(trial.params)


def test_axes_of_charts_are_what_every_method_has(seen: SearchSpec) -> None:
    weights = {KEY: seen.space[KEY], "model.distillation.fg_weight": seen.space[KEY]}
    both = seen.model_copy(
        update={"space": {**seen.space, **weights}, "method": ("none", "tid", "fgd")}
    )
    assert subject_of(both).common_paths(both) == {METHOD_PATH, "optim_wrapper.optimizer.lr"}


def test_a_trial_is_named_by_what_is_known_of_it(spec: SearchSpec) -> None:
    def named(*events: Event, gain: float | None = None) -> str:
        state = RunState.fold([STORY[0], *events])
        return trial_name(state.trials["t0007"], spec, gain)

    new = suggest("t0007", {KEY: 0.31})
    assert named(new) == "t0007"
    assert named(replace(new, label="fgd")) == "t0007 fgd"
    assert named(new, report("t0007", 1, 0.128), gain=0.034) == "t0007 epoch 1: 0.128 (+0.034)"
    assert named(new, report("t0007", 2, 0.549), gain=0.237) == "t0007 0.549 (+0.237)"
    assert named(new, end("t0007", Status.FAILED, cause=Cause.NAN)) == "t0007 failed"
    rerun = replace(new, stage="confirm", label="t0003", seed=2)
    assert named(rerun, report("t0007", 2, 0.5)) == "t0007 confirm t0003 seed 2 0.500"


def test_names_of_rungs_are_in_the_order_of_epochs() -> None:
    names = [rung_name("mAP", epoch, 24) for epoch in (0.5, 1.0, 3.0, 9.0, 24.0)]
    assert names == sorted(names)
    assert names[2] == "rungs/mAP_epoch_03"
