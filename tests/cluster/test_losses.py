"""What is said of a worker that is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray.exceptions import OutOfMemoryError, RayActorError

from tid_tune.cluster.losses import LAST_WORDS, Loss, loss_of
from tid_tune.ledger.decisions import Cause
from tid_tune.trial.report import LOG_FILE

DIED = """The actor died unexpectedly before finishing this task.
\tclass_name: A
\tpid: 12046
\tip: 10.0.0.7
"""
KILLED = (
    f"{DIED}The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR "
    "Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of file. "
    "Some common causes include: (1) the process was killed by the OOM killer"
)
NODE = f"{DIED}The actor died because its node has died. Node Id: 5f\n\tthe actor's node was lost"
MEMORY = (
    "Task was killed due to the node running low on memory.\nMemory on the node (IP: 10.0.0.7, "
    "ID: 5f) where the task was running was 22.10GB / 23.00GB (0.96), which exceeds the threshold"
)


@pytest.mark.parametrize(
    ("error", "cause", "said"),
    [
        (RayActorError(error_msg=KILLED), Cause.LOST, "killed without a word"),
        (RayActorError(error_msg=NODE), Cause.LOST, "node 10.0.0.7 died"),
        (RayActorError(error_msg=NODE, preempted=True), Cause.PREEMPTED, "announced"),
        (OutOfMemoryError(MEMORY), Cause.OOM, "memory of 10.0.0.7 was full: 22.10GB / 23.00GB"),
        (RuntimeError("a line\nits last words\n"), Cause.LOST, "its last words"),
        (RuntimeError(""), Cause.LOST, "the worker died"),
        (None, Cause.LOST, "the worker died"),
    ],
)
def test_ray_is_quoted_in_short(
    error: Exception | None, cause: Cause, said: str, tmp_path: Path
) -> None:
    loss = loss_of(error, tmp_path / LAST_WORDS, 1800)
    assert loss.cause is cause
    assert said in loss.reason
    assert "\n" not in loss.reason


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("Timeout (0:31:30)!\nThread 0x1:\n  File x", "no progress for 30 min"),
        ("Fatal Python error: Segmentation fault\n\nThread 0x1", "crashed: Segmentation fault"),
    ],
)
def test_the_last_words_of_a_worker_count_more_and_reach_the_logs(
    words: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / LAST_WORDS).write_text(words)
    loss = loss_of(RayActorError(error_msg=KILLED), tmp_path / LAST_WORDS, 1800)
    assert loss.cause is Cause.LOST
    assert said in loss.reason
    loss.write([tmp_path, tmp_path / "not there"])
    assert words in (tmp_path / LOG_FILE).read_text()


def test_a_log_that_cannot_be_written_harms_nothing(tmp_path: Path) -> None:
    Loss(Cause.LOST, "killed").write([tmp_path / "not there"])
