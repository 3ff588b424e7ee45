"""What is said of a worker that is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray.exceptions import ActorUnavailableError, OutOfMemoryError, RayActorError, RayTaskError

from tid_tune.cluster.losses import Loss, forget, last_words, loss_of, of_ray
from tid_tune.cluster.ranks import RankLost
from tid_tune.guard import KILLED as OUTSIDE
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
        (ActorUnavailableError("RpcError: Socket closed", b"x" * 16), Cause.LOST, "its node has"),
        (OutOfMemoryError(MEMORY), Cause.OOM, "memory of 10.0.0.7 was full: 22.10GB / 23.00GB"),
        (RuntimeError("a line\nits last words\n"), Cause.LOST, "its last words"),
        (RuntimeError(""), Cause.LOST, "the worker died"),
        (None, Cause.LOST, "the worker died"),
    ],
)
def test_ray_is_quoted_in_short(
    error: Exception | None, cause: Cause, said: str, tmp_path: Path
) -> None:
    loss = loss_of(error, tmp_path, 1800)
    assert loss.cause is cause
    assert said in loss.reason
    assert "\n" not in loss.reason
    there = loss_of(error, tmp_path, 1800, elsewhere="10.0.0.8")
    assert there.reason.startswith(loss.reason)
    assert ("is on 10.0.0.8 alone" in there.reason) == (cause is Cause.LOST)


@pytest.mark.parametrize(
    ("rank", "words", "said"),
    [
        (0, "Timeout (0:31:30)!\nThread 0x1:\n  File x", "no progress for 30 min"),
        (2, "Timeout (0:31:30)!\nThread 0x1:\n  File x", "rank 2 was ended"),
        (0, "Fatal Python error: Segmentation fault\n\nThread 0x1", "crashed: Segmentation fault"),
        (1, f"{OUTSIDE}: hung in the system\n", "30 min (failures.stall_minutes): rank 1 hung in"),
    ],
)
def test_the_last_words_of_a_worker_count_more_and_reach_the_logs(
    rank: int, words: str, said: str, tmp_path: Path
) -> None:
    last_words(tmp_path, 1 - min(rank, 1)).touch()  # of one that was killed
    last_words(tmp_path, rank).write_text(words)
    loss = loss_of(RayActorError(error_msg=KILLED), tmp_path, 1800)
    assert loss.cause is Cause.LOST
    assert said in loss.reason
    loss.write([tmp_path, tmp_path / "not there"])
    assert words in (tmp_path / LOG_FILE).read_text()
    forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [LOG_FILE]


def test_a_worker_says_itself_why_a_rank_is_lost() -> None:
    for cause in (Cause.LOST, Cause.OOM):
        told = RankLost("rank 1 on 10.0.0.7: its node died", cause)
        error = RayTaskError("step", "a traceback", told, ip="10.0.0.7").as_instanceof_cause()
        assert (loss := of_ray(error)).cause is cause
        assert loss.reason == "rank 1 on 10.0.0.7: its node died"


def test_a_log_that_cannot_be_written_harms_nothing(tmp_path: Path) -> None:
    Loss(Cause.LOST, "killed").write([tmp_path / "not there"])
