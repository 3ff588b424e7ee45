"""Every config in trainables/configs builds, trains a step and is measured, on its own layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.small_trials import CONFIGS, ROOT, dataset_of, small_edits
from support.standard_layouts import write_all

from tid_tune.openmmlab.configs import load_config
from tid_tune.searchfile.model import Interval
from tid_tune.trial.trial import Trial

TID = [path for path in CONFIGS if path.stem.endswith("_tid")]
STUDENTS = {path.with_name(f"{path.stem.removesuffix('_tid')}.py") for path in TID}
TEACHERS = [path for path in CONFIGS if path not in TID and path not in STUDENTS]


def label(path: Path) -> str:
    return f"{dataset_of(path)}/{path.stem}"


@pytest.fixture(autouse=True)
def _project_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def data_roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_all(tmp_path_factory.mktemp("data"))


def first_report(path: Path, edits: dict[str, Any], tmp_path: Path) -> dict[str, float]:
    """The metrics of a trial after one iteration, evaluation included."""
    iteration = Interval(count=1, unit="iter")
    with Trial(
        path, edits, seed=0, epochs=1, report_every=iteration, work_dir=tmp_path, device="cpu"
    ) as trial:
        return trial.step().metrics


@pytest.mark.parametrize("path", TID + TEACHERS, ids=label)
def test_a_config_trains_one_step_and_is_measured(
    path: Path, data_roots: dict[str, Path], tmp_path: Path
) -> None:
    config = load_config(path)
    metrics = first_report(path, small_edits(config, data_roots[dataset_of(path)]), tmp_path)
    assert metrics["train/grad_norm"] > 0
    assert metrics["train/loss_bbox"] > 0  # positives: the objects' classes and boxes were read
    added = sum(value for name, value in metrics.items() if "loss_distill" in name)
    assert (added > 0) == (path in TID)
    measured = {"coco/bbox_mAP"} | ({"pascal_voc/mAP"} if dataset_of(path) == "voc" else set())
    assert measured <= metrics.keys()


@pytest.mark.parametrize("path", TID, ids=label)
def test_a_plain_student_is_trained_as_it_is_with_a_teacher(path: Path) -> None:
    distilled = load_config(path, imports=False)._cfg_dict.to_dict()
    plain_path = path.with_name(f"{path.stem.removesuffix('_tid')}.py")
    plain = load_config(plain_path, imports=False)._cfg_dict.to_dict()
    assert distilled.pop("custom_imports")["imports"] == ["tid_tune.distill.distiller"]
    student = distilled.pop("model")["student"]
    assert student == plain.pop("model")
    assert distilled == plain


def test_the_learning_rate_follows_the_images_of_an_iteration(
    data_roots: dict[str, Path], tmp_path: Path
) -> None:
    path = ROOT / "trainables" / "configs" / "coco" / "gfl_r18.py"
    config = load_config(path)
    assert config.train_dataloader.batch_size == 8
    metrics = first_report(path, small_edits(config, data_roots["coco"]), tmp_path)
    published, of_images, warmup = config.optim_wrapper.optimizer.lr, 16, 0.001
    assert metrics["train/lr"] == pytest.approx(published * 2 / of_images * warmup)
