"""Key and weak areas over a training are the method's, change nothing in it, and stay small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tid_tune.distill.area_codes import KEY, WEAK, owners, shares
from tid_tune.distill.context import Context
from tid_tune.searchfile.model import Interval
from tid_tune.trial.area_file import MAX_BYTES, MOMENTS, AreaRecord, RecordedImage, read_record
from tid_tune.trial.fixed_images import choose_images
from tid_tune.trial.report import AREAS_FILE
from tid_tune.trial.trial import Trial

DISTILLER = """
model = dict(
    type='Distiller', student=_detector,
    teacher=dict(config='{folder}/teacher.py', checkpoint='{folder}/teacher.pth'),
    distillation=dict(method='{method}', loss_weight=2.0))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
custom_hooks = [dict(type='EMAHook', momentum=0.1, update_buffers=True)]
"""


@pytest.fixture
def configs(shapes_config: Callable[..., Path], tmp_path: Path) -> Callable[[str], Path]:
    """A student's config for a method, with averaged weights and a teacher of one epoch."""
    teacher = shapes_config(name="teacher.py", width=8)
    with make(teacher, tmp_path / "teacher", epochs=1) as trial:
        trial.step()
        trial.save(tmp_path / "teacher.pth")
    return lambda method: shapes_config(
        DISTILLER.format(folder=tmp_path, method=method), name=f"{method}.py", flip=0.5
    )


EASY = {
    f"model.distillation.{name}": value
    for name, value in {
        "thresholds": "fixed",
        "pos_iou": 0.2,
        "neg_iou": 0.1,
        "cls_pos": 0.01,
        "cls_neg": 0.001,
        "weak_threshold": 0.3,
    }.items()
}
"""With these, a teacher of one epoch is sure somewhere, and the student is behind elsewhere."""


def make(config: Path, folder: Path, params: dict[str, Any] | None = None, **options: Any) -> Trial:
    work = {"epochs": 2, "report_every": Interval(count=4, unit="iter"), "device": "cpu"}
    return Trial(config, params or {}, seed=3, work_dir=folder, **{**work, **options})


def course(trial: Trial) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    """The reports of a whole training without the clock, and all that a checkpoint holds."""
    reports = []
    while not trial.done:
        found = trial.step().metrics
        reports.append({k: v for k, v in found.items() if "second" not in k})
    return reports, {k: v.clone() for k, v in trial.model.state_dict().items()}


def test_recording_changes_no_bit_of_a_training(
    configs: Callable[[str], Path], tmp_path: Path
) -> None:
    config = configs("tid")
    with make(config, tmp_path / "plain") as trial:
        reports, weights = course(trial)
    with make(config, tmp_path / "recorded", areas=2) as trial:
        recorded, recorded_weights = course(trial)
    assert recorded == reports
    assert any("loss_distill" in name for name in reports[0])
    assert [k for k, v in weights.items() if not torch.equal(v, recorded_weights[k])] == []
    assert not (tmp_path / "plain" / AREAS_FILE).exists()
    record = read_record(tmp_path / "recorded" / AREAS_FILE)
    assert record is not None
    assert len(record.epochs) == len(reports)
    assert len(record.images) == 2


def test_what_is_recorded_is_what_the_method_finds_in_the_same_images(
    configs: Callable[[str], Path], tmp_path: Path
) -> None:
    with make(configs("tid"), tmp_path / "work", EASY, epochs=1, areas=2) as trial:
        trial.step()
        record = read_record(tmp_path / "work" / AREAS_FILE)
        assert record is not None
        model: Any = trial.model
        dataset = trial.runner.val_loop.dataloader.dataset
        assert [item.index for item in record.images] == choose_images(dataset, 2)
        seen: list[Context] = []
        model.method.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
        model.eval()
        for place, image in enumerate(record.images):
            item = dataset[image.index]
            batch = {"inputs": [item["inputs"]], "data_samples": [item["data_samples"]]}
            with torch.no_grad():
                model(**model.data_preprocessor(batch), mode="loss")
            areas = model.method.assess(seen[-1])
            maps = record.maps(0, place)
            assert maps.strides == seen[-1].strides
            for bit, wanted in ((KEY, areas.key), (WEAK, areas.weak)):
                for level, found in zip(seen[-1].to_levels(wanted), maps.levels, strict=True):
                    assert np.array_equal(found & bit > 0, level[0].numpy())
        assert {KEY & c for c in record.codes.flat} == {0, KEY}
        assert {WEAK & c for c in record.codes.flat} == {0, WEAK}


@pytest.mark.parametrize("method", ["none", "mimic"])
def test_a_method_without_areas_records_nothing(
    configs: Callable[[str], Path], tmp_path: Path, method: str
) -> None:
    with make(configs(method), tmp_path / "work", epochs=1, areas=2) as trial:
        trial.step()
    assert not (tmp_path / "work" / AREAS_FILE).exists()


def test_a_failure_to_record_is_logged_and_the_trial_goes_on(
    configs: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "work" / AREAS_FILE).mkdir(parents=True)  # no file can be written there
    with make(configs("tid"), tmp_path / "work", epochs=1, areas=2) as trial:
        reports, _ = course(trial)
    assert len(reports) > 1
    log = (tmp_path / "work" / "trial.log").read_text()
    assert log.count("areas are not recorded") == 1


def record_of(points: int = 50) -> AreaRecord:
    image = RecordedImage(
        3, "a.png", (10, 50), ((1.0, 2.0, 3.0, 4.5),), ((5, points // 5),), (8,), "a"
    )
    return AreaRecord((image,), (), np.zeros((0, points), dtype=np.uint8), "weak")


def test_a_file_holds_at_most_so_many_epochs_with_the_first_and_the_last(tmp_path: Path) -> None:
    record = record_of()
    for epoch in range(1, 301):
        record = record.with_moment(float(epoch), np.full(50, epoch % 4, dtype=np.uint8))
        assert len(record.epochs) <= MOMENTS
        assert (record.epochs[0], record.epochs[-1]) == (1.0, float(epoch))
    gaps = np.diff(record.epochs)
    assert gaps.max() <= 4 * np.median(gaps)
    assert [int(row[0]) for row in record.codes] == [int(epoch) % 4 for epoch in record.epochs]
    path = tmp_path / "areas.npz"
    path.write_bytes(record.within(MAX_BYTES))
    again = read_record(path)
    assert again is not None
    assert (again.images, again.epochs, again.first) == (record.images, record.epochs, "weak")
    assert np.array_equal(again.codes, record.codes)


def test_a_file_stays_within_its_bytes() -> None:
    noise = np.random.default_rng(0).integers(0, 4, (MOMENTS, 90_000), dtype=np.uint8)
    record = record_of(90_000)
    for epoch, codes in enumerate(noise, start=1):
        record = record.with_moment(float(epoch), codes)
    assert len(record.to_bytes()) > MAX_BYTES
    assert len(record.within(MAX_BYTES)) <= MAX_BYTES


def test_a_trial_that_goes_on_from_an_earlier_epoch_replaces_the_later_ones() -> None:
    record = record_of()
    for epoch in (1.0, 2.0, 3.0, 4.0):
        record = record.with_moment(epoch, np.ones(50, dtype=np.uint8))
    record = record.with_moment(3.0, np.zeros(50, dtype=np.uint8))
    assert record.epochs == (1.0, 2.0, 3.0)
    assert record.codes.sum(axis=1).tolist() == [50, 50, 0]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no archive at all"])
def test_a_torn_file_is_no_record(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "areas.npz").write_bytes(content)
    assert read_record(tmp_path / "areas.npz") is None
    assert read_record(tmp_path / "absent.npz") is None


def test_a_point_of_both_areas_counts_for_the_first_one() -> None:
    codes = np.array([0, KEY, WEAK, KEY | WEAK], dtype=np.uint8)
    assert owners(codes, "key").tolist() == [0, KEY, WEAK, KEY]
    assert owners(codes, "weak").tolist() == [0, KEY, WEAK, WEAK]
    assert shares(codes, "weak") == (0.25, 0.5)
