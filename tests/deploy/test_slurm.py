"""The Slurm script's shell, run on this machine with stand-ins for Slurm, Ray and tid-tune."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy/slurm/search.sbatch"
LOG = """
echo "$(basename "$0") $* token=${RAY_AUTH_TOKEN:-} mlflow=${MLFLOW_TRACKING_URI:-}" >> "$CALLS"
"""
STANDINS = {
    # It runs the command of a task here, without its own options.
    "srun": 'while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "scontrol": f"[[ $1 == show ]] && {{ echo node1; echo node2; echo node3; exit; }}{LOG}",
    "hostname": "echo 127.0.0.1",
    # The head answers when the three nodes have been started.
    "ray": f"""{LOG}
[[ $1 != status ]] && exec sleep 60
(( $(grep -c "^ray start" "$CALLS") == 3 ))""",
    "mlflow": f"{LOG}exec sleep 60",
    "tid-tune": f"""{LOG}
[[ ${{SEARCH_SECONDS:-0}} == 0 ]] && exit ${{SEARCH_CODE:-0}}
trap 'kill $!; echo interrupted >> "$CALLS"; exit 130' TERM
sleep "$SEARCH_SECONDS" & wait""",
}

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def start(tmp_path: Path, calls: Path) -> Start:
    """Starts the script as Slurm would, on three nodes."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in STANDINS.items():
        (tools / name).write_text(f"#!/bin/bash\n{text}\n")
        (tools / name).chmod(0o755)
    (tools / "python").symlink_to(sys.executable)
    calls.touch()

    def start(**environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", str(SCRIPT), "my search.yaml", "--set", "trials=4"],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{tools}:{os.environ['PATH']}",
                "CALLS": str(calls),
                "SLURM_JOB_ID": "1234567",
                "SLURM_JOB_NODELIST": "node[1-3]",
                "SLURM_CPUS_PER_TASK": "8",
                "SLURM_GPUS_ON_NODE": "2",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        output, _ = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, output


@pytest.mark.parametrize("runs", ["", "s3://bucket/runs"])
def test_a_search_runs_on_a_ray_of_all_nodes_that_demands_its_own_token(
    runs: str, start: Start, calls: Path
) -> None:
    code, output = finish(start(TID_TUNE_RUNS=runs))
    assert code == 0, output
    lines = calls.read_text().splitlines()
    started = [line for line in lines if line.startswith("ray start")]
    assert len(started) == 3
    head = [line for line in started if "--head" in line]
    assert len(head) == 1
    assert "--node-ip-address=127.0.0.1 --port=24567" in head[0]
    assert all("--num-cpus=8 --num-gpus=2" in line for line in started)
    workers = [line for line in started if "--head" not in line]
    assert all("--address=127.0.0.1:24567" in line for line in workers)
    (search,) = (line for line in lines if line.startswith("tid-tune"))
    words = f"tid-tune run --runs {runs or calls.parent / 'runs'} my search.yaml --set trials=4"
    assert search.startswith(f"{words} --address 127.0.0.1:24567")
    assert "mlflow=http://127.0.0.1:34567" in search
    tokens = {line.split("token=")[1].split()[0] for line in [*started, search]}
    (token,) = tokens
    assert len(token) == 64
    assert all(token not in line.split(" token=")[0] for line in lines), "in no command line"
    assert "--host 127.0.0.1 --port 34567" in next(
        line for line in lines if "mlflow server" in line
    )


def test_a_failed_search_is_not_queued_again(start: Start, calls: Path) -> None:
    code, _ = finish(start(SEARCH_CODE="2"))
    assert code == 2
    assert "requeue" not in calls.read_text()


def test_a_job_that_is_preempted_interrupts_the_search_and_is_queued_again(
    start: Start, calls: Path
) -> None:
    process = start(SEARCH_SECONDS="30", MLFLOW_TRACKING_URI="http://elsewhere")
    deadline = time.monotonic() + 60
    while "tid-tune run" not in calls.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    code, output = finish(process)
    assert code == 130, output
    recorded = calls.read_text()
    assert "mlflow server" not in recorded, "the user has one"
    assert recorded.index("interrupted") < recorded.index("scontrol requeue 1234567")


def test_ray_that_does_not_start_is_one_message(start: Start, tmp_path: Path) -> None:
    (tmp_path / "bin/ray").write_text("#!/bin/bash\n[[ $1 == status ]] && exit 1\nexec sleep 60\n")
    code, output = finish(start(TID_TUNE_WAIT_SECONDS="0"))
    assert code == 1
    assert "error: Ray did not start on node1 within 0 s" in output
