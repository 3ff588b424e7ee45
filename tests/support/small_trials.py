"""A shipped config as a trial of seconds: tiny images, little data, random weights everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from tid_tune.openmmlab.configs import load_config

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "trainables" / "configs").glob("*/*.py"))
SIDE = 64


def dataset_of(config: Path) -> str:
    """`coco`, `voc` or `digits`."""
    return config.parent.name


def small_edits(config: Config, data_root: Path) -> dict[str, Any]:
    """Edits by dotted path that need no download, no checkpoint and no time."""
    edits: dict[str, Any] = {}
    for name in ("train_dataloader", "val_dataloader"):
        edits |= {f"{name}.batch_size": 2, f"{name}.num_workers": 0}
        if "persistent_workers" in config[name]:
            edits[f"{name}.persistent_workers"] = False
        for path, dataset in leaf_datasets(config[name].dataset, f"{name}.dataset"):
            edits[f"{path}.data_root"] = str(data_root)
            edits |= _small_images(dataset["pipeline"], f"{path}.pipeline")
    if "ann_file" in config.val_evaluator:
        name = Path(config.val_evaluator.ann_file).name
        edits["val_evaluator.ann_file"] = str(data_root / "annotations" / name)
    return edits | _random_models(config)


def leaf_datasets(node: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The datasets inside wrappers, with their dotted paths."""
    if "datasets" in node:
        for index, item in enumerate(node["datasets"]):
            yield from leaf_datasets(item, f"{path}.datasets.{index}")
    elif "dataset" in node:
        yield from leaf_datasets(node["dataset"], f"{path}.dataset")
    else:
        yield path, node


def _small_images(pipeline: list[dict[str, Any]], path: str) -> dict[str, Any]:
    sizes = {
        "Resize": ("scale", (SIDE, SIDE)),
        "RandomResize": ("scale", [(SIDE, SIDE), (SIDE, SIDE)]),
        "RandomChoiceResize": ("scales", [(SIDE, SIDE)]),
    }
    return {
        f"{path}.{index}.{sizes[step['type']][0]}": sizes[step["type"]][1]
        for index, step in enumerate(pipeline)
        if step["type"] in sizes
    }


def _random_models(config: Config) -> dict[str, Any]:
    if config.model.type != "Distiller":
        return {"model.backbone.init_cfg": None} if "init_cfg" in config.model.backbone else {}
    teacher = load_config(config.model.teacher.config, imports=False).model
    edits: dict[str, Any] = {"model.teacher": {"model": teacher, "checkpoint": None}}
    if "init_cfg" in config.model.student.backbone:
        edits["model.student.backbone.init_cfg"] = None
    return edits
