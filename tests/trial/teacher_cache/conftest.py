"""Trials with a cache of the teacher's work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.cached_trials import (
    DISTILLER,
    FLIP,
    make,
)

from tid_tune.distill.cache import store as store_module


@pytest.fixture(autouse=True)
def closed_stores() -> Iterator[None]:
    yield
    for store in list(store_module._OPEN.values()):
        store.close()


@pytest.fixture
def distilled(shapes_config: Callable[..., Path], tmp_path: Path) -> Path:
    """The config of a student, with a teacher of random weights."""
    teacher = shapes_config(name="teacher.py", width=8)
    with make(teacher, tmp_path / "teacher") as trial:
        trial.save(tmp_path / "teacher.pth")
    return shapes_config(DISTILLER.format(folder=tmp_path), flip=FLIP)
