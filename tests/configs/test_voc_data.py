"""The VOC configs read what mmdet's do, and both metrics measure it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.structures import InstanceData
from support.small_trials import ROOT, small_edits
from support.standard_layouts import IMAGES, write_voc

from tid_tune.openmmlab.configs import load_config
from tid_tune.openmmlab.setup import prepare

PLAIN = ROOT / "trainables" / "configs" / "voc" / "gfl_r50.py"


@pytest.fixture(autouse=True)
def _mmdet() -> None:
    prepare()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    root = tmp_path_factory.mktemp("voc") / "digits"
    write_voc(root)
    plain = load_config(PLAIN)
    return load_config(PLAIN, small_edits(plain, root / "VOCdevkit"))


def without(node: Any, *keys: str) -> Any:
    if isinstance(node, dict):
        return {k: without(v, *keys) for k, v in node.items() if k not in keys}
    return [without(item, *keys) for item in node] if isinstance(node, list | tuple) else node


def test_the_data_are_those_of_mmdets_voc_config() -> None:
    mine, theirs = load_config(PLAIN), get_config("mmdet::_base_/datasets/voc0712.py")
    ignored = ("backend_args", "meta_keys", "_scope_")
    repeated = theirs.train_dataloader.dataset
    assert repeated.type == "RepeatDataset"
    assert without(mine.train_dataloader.dataset.to_dict(), *ignored) == without(
        repeated.dataset.to_dict(), *ignored
    )
    assert without(mine.val_dataloader.dataset.to_dict(), *ignored) == without(
        theirs.val_dataloader.dataset.to_dict(), *ignored
    )
    assert without(mine.val_evaluator[1].to_dict(), "_scope_") == without(
        theirs.val_evaluator.to_dict(), "_scope_"
    )


def test_both_years_are_trained_on_and_may_be_repeated(config: Config) -> None:
    from mmdet.registry import DATASETS

    concatenated = DATASETS.build(copy.deepcopy(config.train_dataloader.dataset))
    assert len(concatenated) == 2 * (IMAGES + 2)  # trainval of each year
    repeated = {"type": "RepeatDataset", "times": 3, "dataset": config.train_dataloader.dataset}
    assert len(DATASETS.build(copy.deepcopy(repeated))) == 3 * len(concatenated)
    labels = torch.cat([item["data_samples"].gt_instances.labels for item in concatenated])
    assert set(labels.tolist()) <= set(range(0, 20, 2))  # digit d is class 2 * d here


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (200, 0.0)])
def test_both_metrics_know_right_boxes_from_wrong_ones(
    config: Config, shift: float, expected: float
) -> None:
    from mmdet.registry import DATASETS
    from mmengine.evaluator import Evaluator

    dataset = DATASETS.build(copy.deepcopy(config.val_dataloader.dataset))
    evaluator = Evaluator(copy.deepcopy(list(config.val_evaluator)))
    evaluator.dataset_meta = dataset.metainfo
    for item in dataset:
        sample = item["data_samples"]
        instances = sample.metainfo["instances"]
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([one["bbox"] for one in instances]),
            labels=torch.tensor([one["bbox_label"] for one in instances]),
        )
        sample.pred_instances = InstanceData(
            bboxes=sample.gt_instances.bboxes + shift,
            labels=sample.gt_instances.labels,
            scores=torch.ones(len(instances)),
        )
        evaluator.process([sample], None)
    metrics = evaluator.evaluate(len(dataset))
    assert metrics["coco/bbox_mAP"] == pytest.approx(expected, abs=1e-3)
    assert metrics["pascal_voc/mAP"] == pytest.approx(expected, abs=1e-3)
