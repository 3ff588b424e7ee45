"""The files of a project that a search reads: its data, its teacher, weights to start from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import load_config
from tid_tune.searchfile.checks.data import leaf_datasets, local_paths
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Distribution

_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
_FILES = ("ann_file", "checkpoint", "config", "load_from")
"""Keys of a config whose value is a file, wherever they stand."""


def needed_files(spec: SearchSpec) -> list[Path]:
    """Return the files and folders with a relative path that the trials of a search read.

    They need not be there. What an absolute path or a URL names is expected on the nodes.

    Raises:
        ConfigError: the config of the trials cannot be read.
    """
    config = load_config(spec.trial, imports=False)
    found = [*_of_config(config), *_of_space(spec.space)]
    if spec.transfer is not None and isinstance(spec.transfer.run, Path):
        found.append(spec.transfer.run)
    teacher = (config.get("model") or {}).get("teacher")
    file = teacher.get("config") if isinstance(teacher, Mapping) else None
    if isinstance(file, str) and Path(file).is_file():
        found += _files_below(_readable(Path(file)))
    return sorted({path for path in found if not path.is_absolute() and path != Path()})


def _of_config(config: Mapping[str, object]) -> Iterator[Path]:
    for loader in _LOADERS:
        for dataset in leaf_datasets(config.get(loader)):
            for _, path in local_paths(dataset):
                yield path
    below = {key: value for key, value in config.items() if key not in _LOADERS}
    yield from _files_below(below)


def _of_space(space: Mapping[str, Distribution]) -> Iterator[Path]:
    for path, distribution in space.items():
        for value in distribution.extremes:
            yield from _files_below({path.rpartition(".")[2]: value})


def _files_below(node: object) -> Iterator[Path]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in _FILES and isinstance(value, str) and value and ":" not in value:
                yield Path(value)
            yield from _files_below(value)
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _files_below(item)


def _readable(path: Path) -> Mapping[str, object]:
    try:
        model = load_config(path, imports=False).get("model")
    except ConfigError:  # it is reported where the config is needed
        return {}
    return model if isinstance(model, Mapping) else {}
