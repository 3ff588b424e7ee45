"""Which package may import what: the doors to third-party packages, and the layers of our own."""

from __future__ import annotations

import ast
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
}
"""The one folder that imports each of these packages."""

CORE = ("space", "searchfile", "ledger", "search", "results")
HEAVY = ("torch", "ray", "mlflow", "mmdet", "mmengine", "mmcv", "pandas")
"""What the core does not import: a search space is checked, and a search replayed, in no time."""


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted name of every module that the file imports, anywhere in it."""
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
