"""Copy shipped configs into a folder of the user's, with everything they are based on."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tid_tune.openmmlab.configs import load_config
from tid_tune.shipped.files import CONFIGS, SPACES, ShippedSpace, root


@dataclass(frozen=True)
class Parts:
    """What a shipped Distiller config is made of."""

    student: Path
    teacher: Path
    checkpoint: str
    """The teacher's weights, relative to the current folder."""


def parts_of(space: ShippedSpace) -> Parts:
    """Return the plain student and the teacher of a shipped search space."""
    (student,) = bases(space.config)
    teacher = load_config(space.config, imports=False).model.teacher
    return Parts(student, root() / teacher.config, teacher.checkpoint)


def copy_configs(space: ShippedSpace, entries: Iterable[Path], folder: Path) -> None:
    """Copy the configs `entries` of a shipped space, and their bases, into `folder/configs`.

    What refers to the shipped folders refers to the copies then. Bases of mmdet's own stay what
    they are: names of the installed package.
    """
    home = space.config.parent
    for source in sorted({file for entry in entries for file in _closure(entry)}):
        target = folder / "configs" / source.relative_to(home)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        target.write_text(relocated(text, space, folder), encoding="utf-8")


def relocated(text: str, space: ShippedSpace, folder: Path) -> str:
    """Return the text of a shipped file with the paths of the copies in `folder`."""
    text = text.replace(f"{CONFIGS}/{space.data}/", f"{folder.as_posix()}/configs/")
    return text.replace(f"{SPACES}/{space.path.name}", f"{folder.as_posix()}/search.yaml")


def bases(config: Path) -> list[Path]:
    """Return the files a shipped config is based on; those of mmdet's own are left out."""
    for node in ast.parse(config.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_base_":
            value = ast.literal_eval(node.value)
            names = [value] if isinstance(value, str) else list(value)
            return [config.parent / name for name in names if "::" not in name]
    return []


def _closure(config: Path) -> Iterator[Path]:
    yield config
    for base in bases(config):
        yield from _closure(base)
