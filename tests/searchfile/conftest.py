"""A small project: a config with teacher and data, in the current folder of every test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.spec_project import write_project
from support.spec_samples import HEAD

from tid_tune.searchfile import SearchSpec, load


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project folder, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    write_project()
    return tmp_path


@pytest.fixture
def read(project: Path) -> Callable[..., SearchSpec]:
    """Loads a text as `search.yaml`."""

    def read(text: str, *overrides: str, **options: bool) -> SearchSpec:
        Path("search.yaml").write_text(text)
        return load("search.yaml", overrides, **options)

    return read


@pytest.fixture
def space(read: Callable[..., SearchSpec]) -> Callable[..., SearchSpec]:
    """Loads a spec with these lines under `space`."""

    def space(*lines: str, more: str = "") -> SearchSpec:
        return read(f"{HEAD}{more}space:\n" + "".join(f"  {line}\n" for line in lines))

    return space
