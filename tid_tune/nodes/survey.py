"""What one node reports of itself before a search: storage, data, teacher, packages and GPUs.

Imports neither torch nor mmdet: a node answers in about a second. Annotations are counted by their
keys, in the same pass over the file that makes the digest.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tid_tune import __version__
from tid_tune.errors import ConfigError, TidTuneError
from tid_tune.searchfile.checks.data import first_images
from tid_tune.storage.stored import worker_files
from tid_tune.variables import resolved

DRIVER = "driver"
"""The file that the driver writes into the probed folder, and every node must find there."""
_CHUNK = 2**20
_DIGITS = 8
"""Of a digest; as many as a table has room for."""
_IMAGE_KEY, _OBJECT_KEY = b'"file_name"', b'"category_id"'
_PACKAGES = {
    "torch": ("torch",),
    "mmdet": ("onedl-mmdetection", "mmdet"),
    "mmengine": ("onedl-mmengine", "mmengine"),
    "mmcv": ("onedl-mmcv", "mmcv", "mmcv-lite"),
    "ray": ("ray",),
}
"""Packages whose versions can change a result, and the names of their distributions."""


@dataclass(frozen=True)
class Dataset:
    """The files of one dataset, as the config names them; relative paths start at the root."""

    part: str
    """`train` or `val`."""
    annotations: Path
    images: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Questions:
    """What a node is asked."""

    root: Path
    """The folder `tid-tune run` was started in."""
    run: str
    """The run folder, as `worker_files` takes it."""
    probe: str
    """A folder inside the run folder, with the driver's file."""
    token: str
    """The content of that file, new for each survey."""
    datasets: tuple[Dataset, ...] = ()
    teacher: Path | None = None
    """The teacher's checkpoint, where it is a file."""


@dataclass(frozen=True)
class DataFacts:
    """What a node has of one dataset. `missing` names what it has not."""

    part: str
    images: int = 0
    objects: int | None = None
    """None for a VOC list, which names images alone."""
    digest: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gpu:
    """A GPU and its memory in bytes."""

    name: str
    free: int
    total: int


@dataclass(frozen=True)
class NodeFacts:
    """What a node reported; `fault` says why it reported nothing."""

    node: str
    storage: str = ""
    """What is wrong with the run folder as the node sees it; empty if nothing is."""
    free: int | None = None
    """Bytes that can still be written there; before a store, in the node's own folder."""
    data: tuple[DataFacts, ...] = ()
    teacher: str = ""
    """The digest of the checkpoint, or `missing`; empty where there is none to read."""
    versions: tuple[tuple[str, str], ...] = ()
    gpus: tuple[Gpu, ...] = ()
    fault: str = ""


MISSING = "missing"


def survey(questions: Questions, node: str) -> NodeFacts:
    """Return what this machine has; nothing is raised for what it lacks.

    Args:
        questions: what to look at.
        node: the name of this node; the file it writes into the probed folder has it too.
    """
    storage, free = _probe(questions, node)
    return NodeFacts(
        node=node,
        storage=storage,
        free=free,
        data=tuple(_look_at(dataset, questions.root) for dataset in questions.datasets),
        teacher=_teacher(questions),
        versions=tuple(_versions()),
        gpus=tuple(_gpus()),
    )


def _probe(questions: Questions, node: str) -> tuple[str, int | None]:
    """Return what is wrong with the run folder, and the bytes that are free in it."""
    folder, token = questions.probe, questions.token
    try:
        files = worker_files(questions.run, patience=0.0)
        if files.read(f"{folder}/{DRIVER}") != token:
            return "not the driver's folder", None
        files.write(f"{folder}/{node}", token)
        if files.read(f"{folder}/{node}") != token:
            return "reads something else than was written", None
        files.local.mkdir(parents=True, exist_ok=True)
        return "", shutil.disk_usage(files.local).free
    except FileNotFoundError:
        return "not the driver's folder", None
    except OSError as error:
        return f"cannot be written: {error.strerror}", None
    except TidTuneError as error:
        return f"cannot be used: {error}", None


def _look_at(dataset: Dataset, root: Path) -> DataFacts:
    try:
        file = _here(root, dataset.annotations)
        folders = [_here(root, folder) for folder in dataset.images]
    except ConfigError as error:
        return DataFacts(dataset.part, missing=(str(error),))
    missing = [str(path) for path in (file, *folders) if not path.exists()]
    try:
        images, objects, digest = _count(file)
        if not missing and folders:
            names = first_images(file)
            lacking = [str(folders[0] / n) for n in names if not _is_in(n, folders)]
            # One or two may be missing everywhere: that is for `tid-tune data check`.
            missing += lacking[:1] if len(lacking) == len(names) else []
    except OSError as error:
        return DataFacts(dataset.part, missing=tuple(missing or [f"{file}: {error.strerror}"]))
    return DataFacts(dataset.part, images, objects, digest, tuple(missing))


def _here(root: Path, path: Path) -> Path:
    """Return a file that the config names, as this node finds it."""
    return root / resolved(str(path))


def _is_in(name: str, folders: Iterable[Path]) -> bool:
    return any((folder / name).is_file() for folder in folders)


def _count(file: Path) -> tuple[int, int | None, str]:
    """Return images, objects (None for a list) and digest of an annotation file."""
    if file.suffix != ".json":
        names = file.read_bytes()
        return len(names.split()), None, hashlib.sha256(names).hexdigest()[:_DIGITS]
    images = objects = 0
    digest, rest = hashlib.sha256(), b""
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            # A key may lie across two chunks; the rest is too short to hold a whole one.
            text = rest + chunk
            images += text.count(_IMAGE_KEY) - rest.count(_IMAGE_KEY)
            objects += text.count(_OBJECT_KEY) - rest.count(_OBJECT_KEY)
            rest = text[-len(_OBJECT_KEY) + 1 :]
    return images, objects, digest.hexdigest()[:_DIGITS]


def _teacher(questions: Questions) -> str:
    if questions.teacher is None:
        return ""
    try:
        with _here(questions.root, questions.teacher).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:_DIGITS]
    except (OSError, ConfigError):
        return MISSING


def _versions() -> Iterable[tuple[str, str]]:
    yield "tid-tune", __version__
    for name, distributions in _PACKAGES.items():
        yield name, next(filter(None, map(_version, distributions)), MISSING)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _gpus() -> Iterable[Gpu]:
    """Yield NVIDIA's GPUs. Its own program is asked: torch would take seconds and GPU memory."""
    query = ["--query-gpu=name,memory.free,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            ["nvidia-smi", *query], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return
    for line in answer.splitlines():
        name, *memory = (part.strip() for part in line.rsplit(",", 2))
        if len(memory) == 2 and all(figure.isdigit() for figure in memory):
            free, total = (int(figure) * 2**20 for figure in memory)
            yield Gpu(name, free, total)
