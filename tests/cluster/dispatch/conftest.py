"""A dispatcher without Ray."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.desk import Desk

from tid_tune.searchfile.model import Resources


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Three trials, two at a time, none of which is stopped."""
    return Desk(tmp_path, capacity=lambda: 2)


@pytest.fixture
def packed(tmp_path: Path) -> Desk:
    """Six trials of three epochs, three to a worker, none of which is stopped."""
    return Desk(tmp_path, capacity=lambda: 2, trials=6, resources=Resources(students=3))
