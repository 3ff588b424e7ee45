"""The files a search will read: those that are missing, found before any GPU is touched."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tid_tune.errors import ConfigError
from tid_tune.searchfile.problems import Fault, Problems, Where
from tid_tune.variables import resolved

LOADERS = {"train_dataloader": "training", "val_dataloader": "validation"}
HEAD_BYTES = 2**20
_RENAMING = ("LVISDataset", "LVISV05Dataset", "LVISV1Dataset", "Objects365V2Dataset")
"""Types of datasets whose images have other names than in the file."""
_FILE_NAME = re.compile(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")')


def annotations_digest(place: Path | str, digits: int) -> str:
    """Return the first digits of an annotation file's SHA-256; empty where it cannot be read."""
    try:
        with Path(resolved(str(place))).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:digits]
    except (OSError, ConfigError):
        return ""


def check_data(config: Mapping[str, object]) -> Iterator[Fault]:
    """Yield the annotation files and image folders that are not there, or do not fit together."""
    for loader in LOADERS:
        yield from missing_files(config, loader)
        for place, dataset in placed_datasets(config.get(loader), loader):
            if str(dataset.get("type")).rpartition(".")[2] not in _RENAMING:
                yield from _check_images(dict(local_paths(dataset)), place)
    for place, evaluator in _evaluators(config.get("val_evaluator")):
        file = evaluator.get("ann_file")
        if not isinstance(file, str) or not _local(file):
            continue
        if not Path(file).is_file():
            text = f"annotation file of val_evaluator is missing: {file}; get the data or fix "
            yield Fault(f"{place}.ann_file", f"{text}val_evaluator.ann_file")
        else:
            yield from _check_measured(config, Path(file), f"{place}.ann_file")


def _evaluators(node: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the metrics of `val_evaluator`, each after its dotted path."""
    if isinstance(node, Mapping):
        yield "val_evaluator", node
    elif isinstance(node, list | tuple):
        for index, one in enumerate(node):
            if isinstance(one, Mapping):
                yield f"val_evaluator.{index}", one


def missing_files(config: Mapping[str, object], loader: str) -> Iterator[Fault]:
    """Yield the annotation files and image folders of a dataloader that are not there."""
    for place, dataset in placed_datasets(config.get(loader), loader):
        for what, path in local_paths(dataset):
            if not path.exists():
                key = "ann_file" if what == "annotation file" else "data_prefix"
                root = dataset.get("data_root")
                if isinstance(root, str) and root and not Path(root).exists():
                    key = "data_root"
                yield Fault(
                    f"{place}.{key}",
                    f"{what} of the {LOADERS[loader]} data is missing: {path}; get the data or fix "
                    f"{loader}.dataset",
                )


def _check_images(paths: Mapping[str, Path], place: str) -> Iterator[Fault]:
    """Yield an image folder that has none of the first images of a COCO json."""
    json_file, folder = paths.get("annotation file"), paths.get("image folder")
    if json_file is None or folder is None or not (json_file.is_file() and folder.is_dir()):
        return
    names = first_images(json_file)
    if names and not any((folder / name).is_file() for name in names):
        yield Fault(
            f"{place}.data_prefix",
            f"none of the first images of {json_file} is in {folder}, for example {names[0]}; fix "
            f"{place.partition('.')[0]}.dataset.data_prefix",
        )


def first_images(file: Path) -> list[str]:
    """Return image names from the head of a COCO json: all of it would take seconds to read."""
    if file.suffix != ".json":
        return []
    with file.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    return [str(json.loads(name)) for name in _FILE_NAME.findall(head)[:20]]


def _check_measured(config: Mapping[str, object], known: Path, place: str) -> Iterator[Fault]:
    """Yield that the evaluator's file `known` has other images than the validation data.

    An image it alone knows counts as one where nothing was found, and lowers the mAP; an image it
    does not know ends the evaluation, after the first interval was trained.
    """
    datasets = list(leaf_datasets(config.get("val_dataloader")))
    files = [
        path for one in datasets for what, path in local_paths(one) if what == "annotation file"
    ]
    if len(datasets) != 1 or len(files) != 1 or not files[0].is_file() or files[0].samefile(known):
        return
    shown, wanted = _image_ids(files[0]), _image_ids(known)
    if shown is not None and wanted is not None and shown != wanted:
        yield Fault(
            place,
            f"val_evaluator uses {known}, whose images are not those of the validation data in "
            f"{files[0]}; set both ann_file to the same file",
        )


def _image_ids(file: Path) -> set[object] | None:
    """Return the ids of the images of a COCO json, or None if it is no such file."""
    from tid_tune.data.coco import load_document
    from tid_tune.errors import DataError

    try:
        images = load_document(file, polygons=False)["images"]
        return {image["id"] for image in images}
    except (DataError, TypeError, KeyError):
        return None


def check_teacher(teacher: Mapping[str, object]) -> Iterator[Fault]:
    """Yield that a teacher's config or checkpoint is not there."""
    for key, fix in (
        ("config", "fix model.teacher.config"),
        ("checkpoint", f"{_how_to_train(teacher)}, or fix model.teacher.checkpoint"),
    ):
        file, place = teacher.get(key), f"model.teacher.{key}"
        if not isinstance(file, str) or not file:
            yield Fault(place, f"{place} is not a file name; set it")
        elif _local(file) and not Path(file).is_file():
            yield Fault(place, f"teacher {key} is missing: {file}; {fix}")


def training_command(teacher: Mapping[str, object]) -> str | None:
    """Return the command that writes the teacher's checkpoint; None for one of another name."""
    checkpoint = Path(str(teacher.get("checkpoint")))
    if checkpoint.name != "checkpoint.pth":
        return None
    return f"tid-tune train {teacher.get('config')} --work-dir {checkpoint.parent}"


def _how_to_train(teacher: Mapping[str, object]) -> str:
    command = training_command(teacher)
    if command is not None:
        return f"train the teacher: `{command}`"
    return (
        f"put it there, train the teacher (`tid-tune train {teacher.get('config')}` writes "
        "checkpoint.pth below runs/)"
    )


def check_run(folder: Path, where: Where, problems: Problems) -> None:
    """Note a `start_from.run` that is no run folder."""
    if not (folder / "ledger.jsonl").is_file():
        problems.add(
            where,
            "start_from.run",
            f"no run in {folder} (no ledger.jsonl); name the folder of an earlier search",
        )


def leaf_datasets(node: object) -> Iterator[Mapping[str, object]]:
    """Yield the datasets that read files, inside the wrappers of a dataloader or dataset dict."""
    yield from (dataset for _, dataset in placed_datasets(node, ""))


def placed_datasets(node: object, place: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the datasets that read files, each after its dotted path, which begins with `place`."""
    if isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from placed_datasets(item, f"{place}.{index}")
    elif isinstance(node, Mapping):
        inner = [key for key in ("dataset", "datasets") if key in node]
        for key in inner:
            yield from placed_datasets(node[key], f"{place}.{key}")
        if not inner:
            yield place, node


def annotation_files(
    config: Mapping[str, object], loaders: Iterable[str] = LOADERS
) -> Iterator[tuple[str, Path]]:
    """Yield the annotation files of some dataloaders, each after its dataloader.

    By default, those of the training and validation data.
    """
    for loader in loaders:
        for _, dataset in placed_datasets(config.get(loader), loader):
            for what, path in local_paths(dataset):
                if what == "annotation file":
                    yield loader, path


def local_paths(dataset: Mapping[str, object]) -> Iterator[tuple[str, Path]]:
    """Yield the annotation file and the image folders of a dataset; nothing of one elsewhere."""
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
