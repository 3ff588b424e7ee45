"""Clusters of several nodes on this machine, and the table of what faults did to searches."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from faults.scene import Row, Scene, cluster

os.environ["RAY_AUTH_MODE"] = "disabled"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--table", type=Path, help="write the rows of the table to this JSON file")


@pytest.fixture(scope="session", autouse=True)
def rows(request: pytest.FixtureRequest) -> Iterator[list[Row]]:
    """The table: each test adds its rows."""
    found: list[Row] = []
    started = time.monotonic()
    yield found
    # Unknown where pytest was not started for this folder.
    path = request.config.getoption("--table", None)
    if path is not None:
        content = {
            "command": "make faults",
            "seconds": round(time.monotonic() - started),
            "cpus": os.cpu_count(),
            "rows": [asdict(row) for row in found],
        }
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


@pytest.fixture(scope="session")
def nodes() -> Iterator[Any]:
    """A head, and two nodes that can train one trial each."""
    with cluster() as found:
        yield found


@pytest.fixture
def scene(nodes: Any, tmp_path: Path) -> Scene:
    return Scene.make(tmp_path, nodes.address)
