"""Following a job: its output as it comes, over lost connections, until it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ray.job_submission import JobDetails, JobSubmissionClient

from tid_tune.errors import TidTuneError

RETRY_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
"""How long a head node may not answer."""


def follow(client: JobSubmissionClient, job: str, write: Callable[[str], None]) -> JobDetails:
    """Pass on a job's output until it has ended, and return how it ended.

    Raises:
        TidTuneError: the head node has not answered for `PATIENCE_SECONDS`.
    """
    output = _Output(write)
    answered = time.monotonic()
    while True:
        try:
            asyncio.run(_tail(client, job, output))
            info = client.get_job_info(job)
            answered = time.monotonic()
            if info.status.is_terminal():
                # The connection may have ended before the last lines.
                output.begin()
                output.add(client.get_job_logs(job))
                return info
        except (OSError, RuntimeError) as error:
            if time.monotonic() - answered > PATIENCE_SECONDS:
                raise TidTuneError(
                    f"the head node does not answer any more ({error}). What was reported is in "
                    "the run folder; when the cluster is back, the same command resumes"
                ) from error
        time.sleep(RETRY_SECONDS)


def wait_for_end(client: JobSubmissionClient, job: str, seconds: float) -> JobDetails:
    """Wait until a job has ended, or for so many seconds; return what is known of it then."""
    deadline = time.monotonic() + seconds
    while True:
        info = client.get_job_info(job)
        if info.status.is_terminal() or time.monotonic() > deadline:
            return info
        time.sleep(RETRY_SECONDS)


class _Output:
    """Passes on what is new: each connection gives a job's output from its beginning."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._written = 0
        self._read = 0

    def begin(self) -> None:
        """Start to read from the beginning of the output again."""
        self._read = 0

    def add(self, text: str) -> None:
        """Take in the next part of the output."""
        new = text[max(0, self._written - self._read) :]
        self._read += len(text)
        if new:
            self._write(new)
            self._written = self._read


async def _tail(client: JobSubmissionClient, job: str, output: _Output) -> None:
    output.begin()
    async for text in client.tail_job_logs(job):
        output.add(text)
