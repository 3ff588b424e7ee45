"""`tid-tune eval` on real detectors, against what mmdet's metric reports."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from support.export_models import mmdets_metric, write_config
from typer.testing import CliRunner, Result

from tid_tune.cli.eval import evaluate
from tid_tune.data.digits import CLASSES, write_digits
from tid_tune.errors import ConfigError, UsageError
from tid_tune.openmmlab.configs import load_config
from tid_tune.report.analysis.evaluate import evaluate_checkpoint

VOC_DATA = """
val_dataloader = dict(batch_size=4, num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='VOCDataset', data_root={root!r}, test_mode=True,
        ann_file='VOCdevkit/VOC2007/ImageSets/Main/val.txt',
        data_prefix=dict(sub_data_root='VOCdevkit/VOC2007/'),
        metainfo=dict(classes=tuple('0123456789')),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='Resize', scale=(128, 128)),
            dict(type='PackDetInputs',
            meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))]))
val_evaluator = dict(type='VOCMetric', metric='mAP', eval_mode='11points')
default_scope = 'mmdet'
"""


def run(*arguments: Any) -> Result:
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_numbers_are_mmdets(trained: tuple[Path, Path]) -> None:
    config, checkpoint = trained
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    rounded, stats, rows = mmdets_metric(load_config(config), state)
    analysis = evaluate_checkpoint(config, checkpoint, device="cpu")
    overall = analysis.table.overall()
    expected = np.where(stats < 0, np.nan, stats)
    assert overall["AP50"] > 0.05, "the detector must find something, or this test shows nothing"
    np.testing.assert_allclose(list(overall.values()), expected, atol=1e-6)
    assert overall["AP"] == pytest.approx(rounded["coco/bbox_mAP"], abs=5.1e-4)
    assert len(analysis.detections.as_coco(analysis.truth)) == len(rows)


def test_a_distillers_student_and_the_plain_student_are_the_same(
    trained: tuple[Path, Path], distilled: tuple[Path, Path]
) -> None:
    alone = evaluate_checkpoint(*trained, device="cpu")
    inside = evaluate_checkpoint(*distilled, device="cpu")
    mixed = evaluate_checkpoint(distilled[0], trained[1], device="cpu")
    assert alone.as_json() == inside.as_json() == mixed.as_json()


def test_the_command_prints_tables_and_writes_files(
    distilled: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "analysis"
    result = run(*distilled, "--limit", 10, "--out", out, "--device", "cpu")
    assert result.exit_code == 0, result.output
    for words in ("AP50", "Loc %", "Sim is empty", "By class", "10 images"):
        assert words in result.output
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["images"] == 10
    assert metrics["split"] == "val"
    assert Path(metrics["annotations"]).is_file()
    text = " ".join(result.output.split())
    assert f"the val split, {metrics['annotations']}: the first 10 images" in text
    assert sum(metrics["errors"]["all"].values()) == pytest.approx(1.0)
    with (out / "classes.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["class"] for row in rows] == list(CLASSES)
    assert sum(int(row["boxes"]) for row in rows) == metrics["boxes"]
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((out / "detections.json").read_text())
    assert len(found) == metrics["detections"]
    assert len({row["image_id"] for row in found}) <= 10


def test_voc_data_are_also_evaluated_by_vocs_rules(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    root = tmp_path / "voc"
    write_digits(root, images=4, val_images=6, format="voc")
    config = write_config(tmp_path / "voc.py", "GFL")
    config.write_text(config.read_text() + VOC_DATA.format(root=str(root)))
    result = run(config, trained[1], "--out", tmp_path / "out", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "11points" in result.output
    text = " ".join(result.output.split())
    assert "ImageSets/Main/val.txt: 6 images" in text, "where the evaluator names no file"
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["images"] == 6
    assert 0 < metrics["voc"]["area"] <= 1
    assert abs(metrics["voc"]["area"] - metrics["coco"]["AP50"]) < 0.1


def test_weights_of_another_model_are_refused_with_the_first_mismatches(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    other = write_config(tmp_path / "atss.py", "ATSS")
    with pytest.raises(ConfigError, match=r"does not fit the model: .*atss_cls"):
        evaluate_checkpoint(other, trained[1], device="cpu")


def test_a_split_the_config_lacks_is_named(trained: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match="test_dataloader"):
        evaluate_checkpoint(*trained, "test", device="cpu")


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(trained: tuple[Path, Path], device: str) -> None:
    with pytest.raises(UsageError, match=f"device '{device}' cannot be used here: "):
        evaluate_checkpoint(*trained, device=device)


def test_a_folder_that_cannot_be_is_refused_before_anything_is_evaluated(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        result = run("no/config.py", "no/checkpoint.pth", "--out", out)
        assert isinstance(result.exception, UsageError)
        assert f"--out {out}" in str(result.exception)
