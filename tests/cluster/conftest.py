"""One Ray for all cluster tests, and searches on it whose trials train nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.workplace import CONFIG, SPEC, Workplace

# Before anything asks Ray: a token in the home folder would turn authentication on.
os.environ["RAY_AUTH_MODE"] = "disabled"


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """Start Ray on this machine; drivers in other processes connect to it."""
    import ray

    ray.init(
        "local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=2**27,
    )
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture
def workplace(tmp_path: Path, ray_address: str) -> Workplace:
    (tmp_path / "config.py").write_text(CONFIG)
    (tmp_path / "teacher.py").write_text('model = dict(type="GFL")')
    (tmp_path / "teacher.pth").touch()
    (tmp_path / "space.yaml").write_text(SPEC)
    return Workplace(tmp_path, ray_address)
