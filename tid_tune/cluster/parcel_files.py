"""Puts what trials need of the driver's folder into a Parcel."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tid_tune.cluster.parcel import CONFIG, Parcel
from tid_tune.console import explain
from tid_tune.errors import ConfigError
from tid_tune.import_path import search_current_folder
from tid_tune.openmmlab.configs import Config, load_config
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.source import DEFAULT_TRAINABLE

_TEACHER = "teacher.py"
_BESIDE = f"{{{{ fileDirname }}}}/{_TEACHER}"
"""mmengine's name for a file in the folder of the config that is read."""
_INSTALLED = ("site-packages", "dist-packages")
_OURS = ("tid_tune", "trainables")
MOST_BYTES = 8 * 2**20
"""Of all files together; more is no code."""


def parcel_for(spec: SearchSpec) -> Parcel | None:
    """Return what the trials of a search need; None, with a line that says why, if it cannot go."""
    try:
        return parcel_of(spec.trial, imports=spec.trainable == DEFAULT_TRAINABLE)
    except ConfigError as error:
        explain(
            f"note: the config is not sent to the nodes; it must be there at this path: {error}"
        )
        return None


def parcel_of(config: Path, *, imports: bool = True) -> Parcel:
    """Return what trials of a config need of this machine's files, besides data and weights.

    Args:
        config: the file.
        imports: as for `load_config`.

    Raises:
        ConfigError: it cannot be written as a file that reads the same, as with functions in it.
    """
    loaded = _checked(load_config(config, imports=imports, resolve=False), config)
    files = {}
    teacher = _teacher_config(loaded)
    modules = list(_modules(loaded))
    if teacher is not None:
        taught = _checked(load_config(teacher, imports=imports, resolve=False), teacher)
        files[_TEACHER] = _text(taught)
        modules += _modules(taught)
        loaded.model.teacher.config = _BESIDE
    files[CONFIG] = _text(loaded)
    for name in dict.fromkeys(modules):
        files |= _module_files(name)
    size = sum(map(len, files.values()))
    if size > MOST_BYTES:
        raise ConfigError(
            f"{config}: the modules of its custom_imports have {size / 2**20:.0f} MiB, more than "
            f"the {MOST_BYTES / 2**20:.0f} that are sent to workers; install them on all nodes"
        )
    return Parcel(tuple(sorted(files.items())))


def _checked(config: Config, source: Path) -> Config:
    """Return a config whose text, as a file, reads the same.

    Raises:
        ConfigError: it does not.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / CONFIG
            file.write_bytes(_text(config))
            again = load_config(file, imports=False, resolve=False)
    except ConfigError as error:  # of the text of some object
        what = str(error).splitlines()[0]
        raise ConfigError(f"{source}: has values that a file cannot hold: {what}") from error
    if again._cfg_dict != config._cfg_dict:
        raise ConfigError(f"{source}: has values that a file cannot hold, such as objects")
    return config


def _text(config: Config) -> bytes:
    # Formatted for people, it would take seconds.
    text: str = Config(config._cfg_dict, format_python_code=False).pretty_text
    return text.encode()


def _teacher_config(config: Config) -> Path | None:
    """Return the file of the teacher's config, if it is one of this machine."""
    model = config.get("model")
    teacher = model.get("teacher") if isinstance(model, Mapping) else None
    named = teacher.get("config") if isinstance(teacher, Mapping) else None
    return Path(named) if isinstance(named, str) and Path(named).is_file() else None


def _modules(config: Config) -> Iterator[str]:
    """Yield the top-level names of a config's custom imports."""
    wanted = config.get("custom_imports")
    names = wanted.get("imports", ()) if isinstance(wanted, Mapping) else ()
    for name in [names] if isinstance(names, str) else names:
        yield str(name).partition(".")[0]


def _module_files(name: str) -> dict[str, bytes]:
    """Return the Python files of a module or package that is in this project, not installed."""
    search_current_folder()
    found = None if name in _OURS else importlib.util.find_spec(name)
    if found is None:
        return {}
    folders = [Path(folder).resolve() for folder in found.submodule_search_locations or ()]
    if not folders and found.origin is not None:
        file = Path(found.origin).resolve()
        return {file.name: file.read_bytes()} if _in_project(file) else {}
    return {
        str(path.relative_to(folder.parent)): path.read_bytes()
        for folder in folders
        if _in_project(folder)
        for path in sorted(folder.rglob("*.py"))
    }


def _in_project(path: Path) -> bool:
    return path.is_relative_to(Path.cwd()) and not set(path.parts) & set(_INSTALLED)
