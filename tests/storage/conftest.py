"""The same tests on each kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.object_store import KEYS, Outage, s3_server, s3_uri


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The endpoint of an S3 server; this process has its keys."""
    with pytest.MonkeyPatch.context() as patch, s3_server() as endpoint:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        yield endpoint


@pytest.fixture(params=["file", "fsspec", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of a folder of run folders, new for each test."""
    if request.param == "file":
        return f"file://{tmp_path}/store/runs"
    if request.param == "fsspec":
        return f"memory://{tmp_path.name}/runs"
    return s3_uri(request.getfixturevalue("s3"), f"{tmp_path.name}/runs")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """The URI of a folder of run folders that needs no server."""
    return f"file://{tmp_path}/store/runs"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this machine's copies are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    return Outage(monkeypatch)
