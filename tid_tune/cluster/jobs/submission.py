"""One search as Ray jobs: its name there, its command, and its present job.

Ray gives every job another name, also if the one before has ended. So a search's jobs are numbered:
there is one at a time, and the next one resumes the search.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ray.job_submission import JobDetails, JobSubmissionClient

from tid_tune.cluster.jobs.package import Package
from tid_tune.errors import UsageError
from tid_tune.passwords import without_secrets

STOP_SECONDS = 120
"""How long a job that is stopped has to record its trials. Ray kills it after 3 s by default."""
_STOP_VARIABLE = "RAY_JOB_STOP_WAIT_TIME_S"
_COMMAND = "tid_tune_command"
START_SECONDS = 90.0
"""How long a head that has just started may need until it can run a job."""
RETRY_SECONDS = 2.0
_STARTING = "No available agent"
"""What the job server answers until then."""
_STORE_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")
_SECRET = re.compile(r"SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIALS?$|ACCESS_KEY|API_KEY|_KEY$")


@dataclass(frozen=True)
class Request:
    """What a user asks to be run as a job."""

    name: str
    """Of the search."""
    space: PurePosixPath
    """The search-space file, as seen from the job's working folder."""
    runs: str
    """The folder that holds the run folders: a URI, or an absolute path on the cluster."""
    folder: PurePosixPath | None = None
    """The working folder on the cluster; None: a package is uploaded."""
    overrides: tuple[str, ...] = ()
    fresh: bool = False
    env: dict[str, str] = field(default_factory=dict)
    cpus: float | None = None
    """Of the entry point, which trains nothing itself."""
    memory: int | None = None
    """Of the entry point, in bytes."""

    @property
    def prefix(self) -> str:
        """What the names of the search's jobs begin with; follows its run folder."""
        digest = hashlib.sha256(f"{self.runs}/{self.name}".encode()).hexdigest()[:8]
        return f"tid-tune-{self.name}-{digest}-"

    @property
    def command(self) -> str:
        """The shell command of the job."""
        words = ["python", "-m", "tid_tune", "run", str(self.space), "--runs", self.runs]
        words += [word for setting in self.overrides for word in ("--set", setting)]
        words += ["--fresh"] if self.fresh else []
        command = shlex.join(words)
        return (
            command if self.folder is None else f"cd {shlex.quote(str(self.folder))} && {command}"
        )


def read_env(settings: Sequence[str]) -> dict[str, str]:
    """Return `NAME=VALUE` texts as a mapping.

    Raises:
        UsageError: one has another form, or seems to be a secret.
    """
    env = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"--env {setting}: expected NAME=VALUE")
        if _SECRET.search(name.upper()) and not name.upper().endswith(("_FILE", "_PATH")):
            raise UsageError(
                f"--env {name}: it seems to be a secret, and Ray shows a job's environment to all "
                "users of the cluster and writes it to its logs. Set it where Ray is started on "
                "the nodes, or in a file there, such as ~/.aws/credentials or ~/.mlflow/credentials"
            )
        env[name] = value
    return env


def store_variables(runs: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of this process that say where the store of the run folders is.

    None of them is a secret. Those that the user has given are left out.

    Raises:
        UsageError: an endpoint has a password.
    """
    if not runs.startswith("s3://"):
        return {}
    found = {name: os.environ.get(name, "") for name in _STORE_VARIABLES if name not in given}
    for name, value in found.items():
        if without_secrets(value) != value:
            raise UsageError(f"{name} of this shell has a password; take it out")
    return {name: value for name, value in found.items() if value}


def require_public(overrides: Sequence[str]) -> None:
    """Check that overrides have no passwords: Ray shows a job's command to all of its users.

    Raises:
        UsageError: one has an address with a password.
    """
    for setting in overrides:
        if (shown := without_secrets(setting)) != setting:
            raise UsageError(
                f"--set {shown}: Ray shows a job's command to all users of the cluster; name an "
                "environment variable of the nodes instead, as in http://me:$NAME@host"
            )


def present_job(client: JobSubmissionClient, request: Request) -> JobDetails | None:
    """Return the search's last job, running or ended."""
    jobs = [job for job in client.list_jobs() if _number(job, request) is not None]
    return max(jobs, key=lambda job: _number(job, request) or 0, default=None)


def is_running(job: JobDetails | None) -> bool:
    """Return whether there is a job and it has not ended."""
    return job is not None and not job.status.is_terminal()


def has_other_command(job: JobDetails, request: Request) -> bool:
    """Return whether a job runs the search with other options than those asked for."""
    return (job.metadata or {}).get(_COMMAND) != request.command


def submit(
    client: JobSubmissionClient, request: Request, package: Package | None, last: JobDetails | None
) -> str:
    """Submit the next job of a search and return its name. `last` is its last one, if any.

    Raises:
        RuntimeError: the job server refuses it, also because another one was just submitted.
    """
    number = 1 if last is None else (_number(last, request) or 0) + 1
    runtime_env: dict[str, object] = {
        "env_vars": {_STOP_VARIABLE: str(STOP_SECONDS), **request.env}
    }
    with tempfile.TemporaryDirectory() as folder:
        if package is not None:
            archive = Path(folder, "working_dir.zip")
            package.write(archive)
            runtime_env["working_dir"] = str(archive)
        return _accepted(
            lambda: client.submit_job(
                entrypoint=request.command,
                submission_id=f"{request.prefix}{number}",
                runtime_env=runtime_env,
                metadata={"tid_tune_search": request.name, _COMMAND: request.command},
                entrypoint_num_cpus=request.cpus,
                entrypoint_memory=request.memory,
            )
        )


def _accepted(ask: Callable[[], str]) -> str:
    """Return the job's name; ask again while the head is starting."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return str(ask())
        except RuntimeError as error:
            if _STARTING not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_SECONDS)


def _number(job: JobDetails, request: Request) -> int | None:
    """Return which of the search's jobs it is; None for a job of another one."""
    number = (job.submission_id or "").removeprefix(request.prefix)
    return int(number) if number.isdigit() else None
