"""The lines of docs/data.md that let a shipped config train and be measured on parts of train."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from mmengine.config import Config
from support.small_trials import ROOT, leaf_datasets, small_edits
from support.standard_layouts import IMAGES, write_coco, write_voc

from tid_tune.data.divide import split
from tid_tune.openmmlab.configs import load_config, set_value
from tid_tune.openmmlab.setup import prepare

CONFIGS = ROOT / "trainables" / "configs"
BLOCKS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "data.md").read_text(), re.DOTALL)
COCO, VOC = (yaml.safe_load(block)["space"] for block in BLOCKS)


def with_lines(config: Config, lines: dict[str, Any], data: Path) -> Config:
    for path, value in {**small_edits(config, data), **lines}.items():
        set_value(config, path, value)
    return config


def files(config: Config, loader: str) -> set[str]:
    """The images of a split, by the path they are read from."""
    from mmdet.registry import DATASETS

    found = set()
    for _, node in leaf_datasets(config[loader].dataset, ""):
        dataset = DATASETS.build({**node, "lazy_init": False})
        found |= {dataset.get_data_info(index)["img_path"] for index in range(len(dataset))}
    assert all(Path(path).is_file() for path in found)
    return found


@pytest.mark.parametrize("name", ["gfl_r50", "atss_r50", "retinanet_r50", "fcos_r50"])
def test_the_parts_of_coco_are_trained_on_and_measured_and_val_is_left_for_the_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare()
    monkeypatch.chdir(tmp_path)
    data = Path("data/coco")
    write_coco(data)
    annotations = data / "annotations"
    split(annotations / "instances_train2017.json", 0.25, 0, annotations)
    config = with_lines(load_config(CONFIGS / "coco" / f"{name}.py"), COCO, data)
    fit, select = files(config, "train_dataloader"), files(config, "val_dataloader")
    assert (len(fit), len(select)) == (IMAGES - 1, 1)
    assert {Path(path).parent.name for path in fit | select} == {"train2017"}
    shown = Path(config.val_dataloader.dataset.data_root, config.val_dataloader.dataset.ann_file)
    assert shown == Path(config.val_evaluator.ann_file)
    assert {Path(path).parent.name for path in files(config, "test_dataloader")} == {"val2017"}
    assert config.test_evaluator.ann_file == "data/coco/annotations/instances_val2017.json"


def test_the_parts_of_voc_are_trained_on_and_measured(tmp_path: Path) -> None:
    prepare()
    write_voc(tmp_path)
    for year in (2007, 2012):
        lists = tmp_path / "VOCdevkit" / f"VOC{year}" / "ImageSets" / "Main"
        split(lists / "trainval.txt", 0.5, 0, lists)
    config = with_lines(load_config(CONFIGS / "voc" / "gfl_r50.py"), VOC, tmp_path / "VOCdevkit")
    fit, select = files(config, "train_dataloader"), files(config, "val_dataloader")
    assert (len(fit), len(select)) == (IMAGES + 2, (IMAGES + 2) // 2)
    assert not fit & select
