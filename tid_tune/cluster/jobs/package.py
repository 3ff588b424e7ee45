"""What is uploaded with a job: a folder without what Git ignores, and with what the search reads.

Ray would leave out all that .gitignore names: the data and the teacher, in most projects.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tid_tune.errors import UsageError
from tid_tune.results.disk import size_text
from tid_tune.words import counted

LIMIT_BYTES = 256 * 2**20
"""Ray keeps a package in the memory of the head node, and takes at most twice as much."""
NEVER = {".git", ".venv", "venv", "__pycache__", ".env", "mlruns", "mlflow.db"}
"""Names of files and folders that no job needs."""
RUNS = "runs"
_LARGEST = 3
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of all files in a package: the same content is the same package."""


@dataclass(frozen=True)
class Package:
    """The files of a job's working folder, with their sizes in bytes."""

    folder: Path
    files: dict[Path, int]
    """By their path in the folder, in order."""
    ignored: tuple[Path, ...]
    """What Git ignores and the search reads: it is uploaded all the same."""

    @property
    def size(self) -> int:
        """All files together, in bytes."""
        return sum(self.files.values())

    def describe(self) -> list[str]:
        """Return what is uploaded, for the user."""
        count = counted(len(self.files), "file")
        lines = [f"working folder: {count} of {self.folder}, {size_text(self.size)}"]
        lines += [
            f"  also {path} ({size_text(_size(self.folder / path))}): ignored by Git, but the "
            "search reads it"
            for path in self.ignored
        ]
        return lines

    def write(self, path: Path) -> None:
        """Write the package as a zip file."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in self.files:
                source = self.folder / name
                item = zipfile.ZipInfo(name.as_posix(), _EPOCH)
                item.external_attr = (source.stat().st_mode & 0xFFFF) << 16
                archive.writestr(item, source.read_bytes(), zipfile.ZIP_DEFLATED)


def collect(folder: Path, needed: Iterable[Path], limit: int = LIMIT_BYTES) -> Package:
    """Return what to upload of a folder.

    Args:
        folder: the working folder; its .gitignore and .rayignore are followed, as Ray does.
        needed: relative paths of what the search reads, whether ignored or not.
        limit: of the whole, in bytes.

    Raises:
        UsageError: something needed is not there, or it is too much to upload.
    """
    missing = [path for path in needed if not (folder / path).exists()]
    if missing:
        raise UsageError(
            *(
                f"{path}: the search reads it, and it is not in {folder}. Put it there, or name "
                "its absolute path on a folder that all nodes share"
                for path in missing
            )
        )
    files = dict.fromkeys(_visible(folder, _ignored(folder)))
    ignored = []
    for path in needed:
        inside = list(_below(folder, path))
        if any(file not in files for file in inside):
            ignored.append(path)
            files |= dict.fromkeys(inside)
    sizes = {file: (folder / file).stat().st_size for file in sorted(files)}
    package = Package(folder, sizes, tuple(ignored))
    if package.size > limit:
        raise UsageError(_too_large(package, limit))
    return package


def _too_large(package: Package, limit: int) -> str:
    parts: dict[Path, int] = {}
    for file, size in package.files.items():
        top = next((path for path in package.ignored if file.is_relative_to(path)), None)
        part = top or Path(*file.parts[:2])
        parts[part] = parts.get(part, 0) + size
    largest = sorted(parts.items(), key=lambda item: -item[1])[:_LARGEST]
    shown = ", ".join(f"{path} {size_text(size)}" for path, size in largest)
    return (
        f"{package.folder}: {size_text(package.size)} are too much to upload, the limit is "
        f"{size_text(limit)} (largest: {shown}). Put them into a folder that all nodes share and "
        "name its absolute path in the config; or keep the whole project in such a folder and add "
        "--no-upload; or name what no job needs in .gitignore or .rayignore"
    )


def _ignored(folder: Path) -> Callable[[Path], bool]:
    """Return what tells whether Ray would leave out a file: its rules, and only the top files."""
    import logging

    from ray._private.runtime_env.packaging import get_excludes_from_ignore_files

    quiet = logging.Logger("package", logging.ERROR)
    rules = get_excludes_from_ignore_files(folder, include_gitignore=True, logger=quiet)
    return lambda path: any(rule(path) for rule in rules)


def _visible(folder: Path, ignored: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield the files of a folder that are not ignored, relative to it."""
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = [
            name
            for name in folders
            if name not in NEVER
            and not (here == folder and name == RUNS)
            # As Git does: a folder that is ignored is not looked into.
            and not ignored(here / name / "x")
        ]
        for name in names:
            path = here / name
            if name not in NEVER and path.is_file() and not ignored(path):
                yield path.relative_to(folder)


def _below(folder: Path, path: Path) -> Iterator[Path]:
    """Yield the files at or below a path of the folder, relative to the folder."""
    start = folder / path
    if start.is_file():
        yield path
        return
    for place, _, names in os.walk(start):
        yield from (Path(place, name).relative_to(folder) for name in names)


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
