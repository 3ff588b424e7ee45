"""A search that starts its own Ray: who can reach it, and where the user's secrets are."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from support.workplace import CONFIG, SPEC, Workplace

assert ray.__version__, "Ray puts the psutil that it ships on the path"
psutil = importlib.import_module("psutil")
SECRETS = {
    "AWS_ACCESS_KEY_ID": "planted-key-id-1a2b3c",
    "AWS_SECRET_ACCESS_KEY": "planted-aws-4d5e6f",
    "AWS_SESSION_TOKEN": "planted-session-7a8b9c",
    "MLFLOW_TRACKING_PASSWORD": "planted-mlflow-0d1e2f",
    "HF_TOKEN": "planted-hub-3a4b5c",
}
PASSWORD = "planted-uri-6d7e8f"
EVENTS = 6


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """A folder for Ray's own files, with the short name that its sockets need."""
    folder = Path(tempfile.mkdtemp(prefix="tt", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def listening(pid: int) -> dict[str, str]:
    """Addresses of others than the loopback interface that the processes of a search listen on."""
    found = {}
    process = psutil.Process(pid)
    for one in [process, *process.children(recursive=True)]:
        try:
            for connection in one.net_connections("inet"):
                ip, port = connection.laddr[:2]
                if connection.status == psutil.CONN_LISTEN:
                    found[f"{ip}:{port}"] = one.name()
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_local_search_listens_on_loopback_only_and_writes_no_secret(
    tmp_path: Path, ray_folder: Path
) -> None:
    """It is ended by Ctrl-C: what is written then counts, too."""
    (tmp_path / "config.py").write_text(CONFIG)
    (tmp_path / "teacher.py").write_text('model = dict(type="GFL")')
    (tmp_path / "teacher.pth").touch()
    uri = f"sqlite:///mlflow.db?password={PASSWORD}"
    (tmp_path / "space.yaml").write_text(f"{SPEC}tracking: {{uri: '{uri}'}}\n")
    place = Workplace(tmp_path, "")
    environment = {k: v for k, v in os.environ.items() if k not in ("RAY_ADDRESS", "RAY_AUTH_MODE")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tid_tune", "run", "space.yaml", "--set", "trials=40"],
        cwd=tmp_path,
        env={
            **environment,
            **SECRETS,
            "RAY_TMPDIR": str(ray_folder),
            "RAY_AUTH_MODE": "disabled",
            "TOY_SECONDS": "0.5",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        place.wait_for_events(EVENTS, process)
        found = listening(process.pid)
        # As a terminal does: all processes of the group get the signal.
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == 130, output
    assert "gcs_server" in found.values(), f"{found}\n{output}"
    outside = {
        address: name
        for address, name in found.items()
        if not address.startswith(("127.", "::1:", "::ffff:127."))
    }
    assert not outside

    written = [path for folder in (tmp_path, ray_folder) for path in folder.rglob("*")]
    files = [path for path in written if path.is_file()]
    assert any(path.name == "raylet.out" for path in files)
    for secret in (*SECRETS.values(), PASSWORD):
        assert secret not in output
        holding = [path for path in files if secret.encode() in path.read_bytes()]
        assert not [path for path in holding if path != tmp_path / "space.yaml"], secret
