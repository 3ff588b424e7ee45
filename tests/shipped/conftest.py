"""An empty folder to work in, with the demo data where a test asks for them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tid_tune.data.digits import write_digits


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo data, fewer images."""
    folder = tmp_path_factory.mktemp("few") / "digits"
    write_digits(folder, images=12, val_images=6)
    return folder


@pytest.fixture(scope="session")
def few_voc_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo data in VOC form, fewer images."""
    folder = tmp_path_factory.mktemp("few") / "voc"
    write_digits(folder, images=12, val_images=6, format="voc")
    return folder


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def with_data(empty: Path, few_digits: Path) -> Path:
    """A current folder that holds nothing but the digits, under two names."""
    for name in ("data/digits", "street"):
        shutil.copytree(few_digits, empty / name)
    return empty
