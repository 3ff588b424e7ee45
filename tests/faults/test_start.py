"""Clusters that a search cannot join."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from faults.scene import Row, Scene

pytestmark = pytest.mark.slow


def refused(address: str, root: Path) -> tuple[float, str]:
    """Run a search at an address; the seconds until it is refused, and the message."""
    scene = Scene.make(root, address)
    started = time.monotonic()
    code, output = scene.place.run()
    seconds = time.monotonic() - started
    assert code == 2, output
    assert "Traceback" not in output
    (error,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "ray start --head" in error
    return seconds, error


@pytest.mark.parametrize("listens", [False, True])
def test_an_address_without_a_head_is_refused_within_a_minute(
    listens: bool, tmp_path: Path, rows: list[Row]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        if not listens:
            server.close()
        seconds, error = refused(address, tmp_path)
    assert seconds < 60
    assert error.startswith(f"error: no Ray cluster answers at {address}: ")
    what = "no Ray head but another server" if listens else "nothing"
    seen = "exit code 2, “no Ray cluster answers at HOST:PORT”"
    rows.append(Row(f"{what} listens at `--address`", 0, 0, round(seconds, 1), seen))
