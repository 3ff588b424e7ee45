"""A plain mmdet config of the student: nothing in it needs tid_tune."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from tid_tune.errors import ConfigError
from tid_tune.export.student import student_model
from tid_tune.openmmlab.configs import READ_BY_RUNNER, Config, ConfigDict

Parts = dict[str, Any]
"""The top-level parts of a config, each as a config has it."""

OURS = "tid_tune"
_OF_ONE_RUN = frozenset(("experiment_name", "launcher", "load_from", "resume", "work_dir"))
"""What belongs to a run that is over."""

_VISUALIZER: Parts = {
    "type": "DetLocalVisualizer",
    "vis_backends": [{"type": "LocalVisBackend"}],
    "name": "visualizer",
}
"""mmdet's own: its DetInferencer needs one, a trial does not."""

_LOOPS = (
    ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler", "auto_scale_lr"),
    ("val_dataloader", "val_cfg", "val_evaluator"),
    ("test_dataloader", "test_cfg", "test_evaluator"),
)
"""The first three of each are needed."""


def plain_config(config: Config) -> Config:
    """Return the student's config with the data, evaluation and training of the original.

    Relative paths keep their meaning: relative to the current folder. What the original only used
    while it was read is left out, and so is what refers to the run. Where the original has no test
    split, the validation split is the test split, since mmdet's test script needs one; where it has
    no visualizer, it gets mmdet's.

    Raises:
        ConfigError: something left in the config needs tid_tune.
    """
    kept = {
        name: copy.deepcopy(config[name])
        for name in sorted(READ_BY_RUNNER & set(config))
        if name not in _OF_ONE_RUN
    }
    kept["model"] = _without_downloads(student_model(config))
    kept.pop("data_preprocessor", None)  # is in the model
    kept.setdefault("default_scope", "mmdet")
    if not kept.get("visualizer"):
        kept["visualizer"] = copy.deepcopy(_VISUALIZER)
    _drop_our_imports(kept)
    _drop_our_hooks(kept)
    if not kept.get("test_dataloader"):
        _test_on_val(kept)
    _drop_incomplete(kept)
    for where, text in _texts(kept, ""):
        # A name in Python, as of a type; a path with a folder of this name needs nothing of ours.
        if text.split(".")[0] == OURS:
            raise ConfigError(
                f"cannot export a plain config: `{where}` is {text!r}, which needs {OURS}; "
                "remove it from the config or replace it by something of mmdet's"
            )
    return Config(kept)


def _test_on_val(kept: Parts) -> None:
    if kept.get("val_dataloader"):
        kept["test_dataloader"] = copy.deepcopy(kept["val_dataloader"])
        kept["test_evaluator"] = copy.deepcopy(kept.get("val_evaluator"))
        half = {"fp16": True} if (kept.get("val_cfg") or {}).get("fp16") else {}
        kept["test_cfg"] = {"type": "TestLoop", **half}


def _drop_incomplete(kept: Parts) -> None:
    """Drop what mmengine refuses: a loop needs all its parts, and without it none may be there."""
    for parts in _LOOPS:
        if not all(kept.get(name) is not None for name in parts[:3]):
            for name in parts:
                kept.pop(name, None)


def dataset_classes(config: Config) -> tuple[str, ...]:
    """Return the class names of the config's data, empty if it does not tell."""
    for split in ("test", "val", "train"):
        dataset = (config.get(f"{split}_dataloader") or {}).get("dataset")
        while isinstance(dataset, Mapping):
            classes = (dataset.get("metainfo") or {}).get("classes")
            if classes is None and "dataset" not in dataset and "datasets" not in dataset:
                classes = _classes_of_type(str(dataset.get("type")))
            if classes is not None:
                return tuple(classes)
            parts = dataset.get("datasets")
            dataset = parts[0] if parts else dataset.get("dataset")
    return ()


def _classes_of_type(name: str) -> tuple[str, ...] | None:
    from tid_tune.openmmlab.registries import DATASETS

    metainfo = getattr(DATASETS.get(name), "METAINFO", {})
    return metainfo.get("classes")


def _without_downloads(model: ConfigDict) -> ConfigDict:
    """Drop `Pretrained` initial weights from all parts: the checkpoint has them all."""
    for part in _dicts(model):
        start = part.get("init_cfg")
        if isinstance(start, Mapping) and start.get("type") == "Pretrained":
            part["init_cfg"] = None
    return model


def _drop_our_imports(kept: Parts) -> None:
    imports = kept.pop("custom_imports", None) or {}
    names = imports.get("imports") or []
    names = [names] if isinstance(names, str) else list(names)
    others = [name for name in names if name.split(".")[0] != OURS]
    if others:
        kept["custom_imports"] = {**imports, "imports": others}


def _drop_our_hooks(kept: Parts) -> None:
    def ours(hook: object) -> bool:
        kind = hook.get("type") if isinstance(hook, Mapping) else hook
        name = kind if isinstance(kind, str) else getattr(kind, "__module__", "")
        return name.split(".")[0] == OURS

    hooks = [hook for hook in kept.pop("custom_hooks", None) or () if not ours(hook)]
    if hooks:
        kept["custom_hooks"] = hooks


def _dicts(node: object) -> Iterator[dict[str, object]]:
    if isinstance(node, dict):
        yield node
    if isinstance(node, dict | list | tuple):
        for part in node.values() if isinstance(node, dict) else node:
            yield from _dicts(part)


def _texts(node: object, where: str) -> Iterator[tuple[str, str]]:
    """Yield every text in the config, keys too, with its dotted path."""
    if isinstance(node, dict):
        for key, value in node.items():
            path = f"{where}.{key}" if where else str(key)
            yield path, str(key)
            yield from _texts(value, path)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _texts(value, f"{where}.{index}")
    elif isinstance(node, type):
        yield where, f"{node.__module__}.{node.__qualname__}"
    elif isinstance(node, str):
        yield where, node
