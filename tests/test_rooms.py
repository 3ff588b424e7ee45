"""Which package may import what: the doors to third-party packages, and the layers of our own."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    path.relative_to(ROOT)
    for folder in ("tid_tune", "trainables")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not path.is_relative_to(ROOT / "trainables/configs")
]

DOORS = {
    "mmdet": "tid_tune/openmmlab",
    "mmengine": "tid_tune/openmmlab",
    "mmcv": "tid_tune/openmmlab",
    "ray": "tid_tune/cluster",
    "mlflow": "tid_tune/tracking",
    "pyarrow": "tid_tune/storage",
    "fsspec": "tid_tune/storage",
    "tensorboard": "tid_tune/results",
}
"""The one folder that imports each of these packages."""

LAYERS = (
    ("errors", "guard", "plain", "words"),
    (
        "console",
        "device",
        "dotted",
        "files",
        "import_path",
        "models",
        "passwords",
        "plugins",
        "ranks",
        "stalls",
        "variables",
        "warm",
    ),
    ("data", "openmmlab"),
    ("space",),
    ("detectors", "ledger"),
    ("distill", "storage"),
    ("searchfile",),
    ("results",),
    ("search", "tracking", "trial"),
    ("preflight",),
    ("export", "insight", "nodes"),
    ("report",),
    ("cluster", "shipped"),
    ("api", "testing"),
    ("cli",),
)
"""Modules and packages of tid_tune, from the bottom: each imports those of lower layers only."""

COPIED = ("tid_tune/export/run_without_ops.py",)
"""Files that leave the package: they are copied to where tid_tune is not installed."""

CORE = ("space", "searchfile", "ledger", "search", "results")
HEAVY = ("torch", "ray", "mlflow", "tensorboard", "mmdet", "mmengine", "mmcv", "pandas")
"""What the core does not import: a search space is checked, and a search replayed, in no time."""


@functools.cache
def imported(path: Path) -> tuple[str, ...]:
    """The dotted name of every module that the file imports, anywhere in it."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute in this project"
            module = node.module or ""
            yield module
            # `from tid_tune.trial import state` imports the module tid_tune.trial.state.
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", DOORS)
def test_a_third_party_package_is_imported_behind_its_door_only(package: str) -> None:
    outside = [
        path.as_posix()
        for path in SOURCES
        if not path.is_relative_to(DOORS[package])
        and package in {name.split(".")[0] for name in imported(path)}
    ]
    assert outside == []


def test_a_package_imports_only_those_below_it() -> None:
    level = {room: number for number, layer in enumerate(LAYERS) for room in layer}
    wrong = set()
    for path in SOURCES:
        room = path.parts[1].removesuffix(".py")
        if path.parts[0] != "tid_tune" or room in ("__init__", "__main__"):
            continue
        assert room in level, f"{path}: give tid_tune.{room} a place in LAYERS"
        for name in imported(path):
            first, _, rest = name.partition(".")
            other = rest.split(".")[0]
            ours = first == "tid_tune" and other in level and other != room
            if ours and level[other] >= level[room]:
                wrong.add((path.as_posix(), other))
    assert wrong == set()


@pytest.mark.parametrize("path", COPIED)
def test_a_file_that_is_copied_elsewhere_imports_nothing_of_ours(path: str) -> None:
    assert not [name for name in imported(Path(path)) if name.split(".")[0] == "tid_tune"]


def test_the_core_loads_nothing_heavy() -> None:
    modules = [
        ".".join(path.with_suffix("").parts)
        for path in SOURCES
        if path.parts[1] in CORE and path.name != "__init__.py"
    ]
    code = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        f"print(*({set(HEAVY)!r} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout.strip(), done.stderr) == ("", "")
