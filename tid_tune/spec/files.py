"""The files a search will read: those that are missing, found before any GPU is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tid_tune.spec.problems import Problems, Where

LOADERS = {"train_dataloader": "training", "val_dataloader": "validation"}


def check_data(config: Mapping[str, Any], where: Where, problems: Problems) -> None:
    """Note every annotation file and image folder of the config's datasets that is not there."""
    for loader, name in LOADERS.items():
        for dataset in leaf_datasets(config.get(loader)):
            for what, path in _paths(dataset):
                if not path.exists():
                    text = f"{what} of the {name} data is missing: {path}; "
                    problems.add(where, "trial", text + f"get the data or mend {loader}.dataset")
    evaluators = config.get("val_evaluator")
    for evaluator in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        file = evaluator.get("ann_file") if isinstance(evaluator, Mapping) else None
        if isinstance(file, str) and _local(file) and not Path(file).is_file():
            text = f"annotation file of val_evaluator is missing: {file}; "
            problems.add(where, "trial", text + "get the data or mend val_evaluator.ann_file")


def check_teacher(teacher: Mapping[str, Any], where: Where, problems: Problems) -> None:
    """Note a teacher whose config or checkpoint is not there."""
    for key, mend in (
        ("config", "mend model.teacher.config"),
        ("checkpoint", "train the teacher first or mend model.teacher.checkpoint"),
    ):
        file = teacher.get(key)
        if not isinstance(file, str) or not file:
            text = f"model.teacher.{key} is not a file name; the teacher needs one"
            problems.add(where, "trial", text)
        elif _local(file) and not Path(file).is_file():
            problems.add(where, "trial", f"teacher {key} is missing: {file}; {mend}")


def check_run(folder: Path, where: Where, problems: Problems) -> None:
    """Note a `start_from.run` that is no run folder."""
    if not (folder / "ledger.jsonl").is_file():
        text = f"no run in {folder} (no ledger.jsonl); name the folder of an earlier search"
        problems.add(where, "start_from.run", text)


def leaf_datasets(node: Any) -> Iterator[Mapping[str, Any]]:
    """The datasets that read files, inside the wrappers of a dataloader or dataset dict."""
    if isinstance(node, list | tuple):
        for item in node:
            yield from leaf_datasets(item)
    elif isinstance(node, Mapping):
        inner = [node[key] for key in ("dataset", "datasets") if key in node]
        if inner:
            yield from leaf_datasets(inner)
        else:
            yield node


def _paths(dataset: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    root = dataset.get("data_root")
    root = root if isinstance(root, str) else ""
    backend = dataset.get("backend_args")
    if not _local(root) or (isinstance(backend, Mapping) and backend.get("backend") != "local"):
        return
    annotations = dataset.get("ann_file")
    if isinstance(annotations, str) and annotations and _local(annotations):
        yield "annotation file", Path(root, annotations)
    prefixes = dataset.get("data_prefix")
    for folder in prefixes.values() if isinstance(prefixes, Mapping) else ():
        if isinstance(folder, str) and _local(folder):
            yield "image folder", Path(root, folder)


def _local(path: str) -> bool:
    return "://" not in path
