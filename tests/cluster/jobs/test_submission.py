"""A search's jobs: their names and command, what they may be given, following their output."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from ray.job_submission import JobStatus

from tid_tune.cli.submit import _attach_or_submit
from tid_tune.cluster.jobs import client, following, submission
from tid_tune.cluster.jobs.submission import (
    Request,
    present_job,
    read_env,
    require_public,
    store_variables,
    submit,
)
from tid_tune.errors import UsageError

REQUEST = Request("toy", PurePosixPath("a b.yaml"), "/shared/runs")


@dataclass
class Job:
    submission_id: str | None
    status: JobStatus = JobStatus.RUNNING
    metadata: Any = None
    message: str = ""


class Server:
    """A job server: keeps what it is given, and prints the job's output in parts."""

    def __init__(self, *jobs: Job) -> None:
        self.jobs = list(jobs)
        self.submitted: dict[str, Any] = {}
        self.refusals: list[str] = []
        self.connections: list[Any] = [
            ["one\n", "tw"],
            ["one\ntwo\n"],
            RuntimeError("the connection broke"),
        ]

    def list_jobs(self) -> list[Job]:
        return self.jobs

    def submit_job(self, **fields: Any) -> str:
        if self.refusals:
            raise RuntimeError(self.refusals.pop(0))
        self.submitted = fields
        return str(fields["submission_id"])

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        parts = self.connections.pop(0)
        if isinstance(parts, Exception):
            raise parts
        for part in parts:
            yield part

    def get_job_info(self, job: str) -> Job:
        return Job(job, JobStatus.RUNNING if self.connections else JobStatus.SUCCEEDED)

    def get_job_logs(self, job: str) -> str:
        return "one\ntwo\nthree\n"


def test_the_jobs_of_a_search_are_numbered_and_others_are_not_its_own() -> None:
    other = replace(REQUEST, runs="/shared/others")
    jobs = [Job(None), Job("raysubmit_x"), Job(f"{other.prefix}7"), Job(f"{REQUEST.prefix}2")]
    jobs += [Job(f"{REQUEST.prefix}10", JobStatus.STOPPED), Job(f"{REQUEST.prefix}x")]
    server: Any = Server(*jobs)
    last = present_job(server, REQUEST)
    assert last is not None
    assert last.submission_id == f"{REQUEST.prefix}10"
    assert submit(server, REQUEST, None, last) == f"{REQUEST.prefix}11"
    assert present_job(Server(), REQUEST) is None  # type: ignore[arg-type]  # a stand-in


def test_a_job_is_given_time_to_record_its_trials_and_what_the_user_asks_for() -> None:
    request = replace(
        REQUEST, folder=PurePosixPath("/shared/my project"), overrides=("trials=4",), cpus=1.0
    )
    server: Any = Server()
    submit(server, replace(request, env={"A": "1"}), None, None)
    assert server.submitted["entrypoint"] == (
        "cd '/shared/my project' && "
        "python -m tid_tune run 'a b.yaml' --runs /shared/runs --set trials=4"
    )
    variables = server.submitted["runtime_env"]["env_vars"]
    assert variables == {"RAY_JOB_STOP_WAIT_TIME_S": "120", "A": "1"}
    assert server.submitted["entrypoint_num_cpus"] == 1.0


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "HF_TOKEN", "MLFLOW_TRACKING_PASSWORD"]
)
def test_secrets_are_refused_where_ray_would_show_them(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name}.*writes it to its logs") as refused:
        read_env(["A=1", f"{name}=planted"])
    assert "planted" not in str(refused.value)
    with pytest.raises(UsageError, match=r"tracking\.uri=http://me:\*\*\*@host") as refused:
        require_public(["tracking.uri=http://me:planted@host"])
    assert "planted" not in str(refused.value)


def test_a_job_is_given_where_the_store_is_and_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    monkeypatch.setenv("AWS_REGION", "here")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    found = store_variables("s3://bucket/runs", {"AWS_REGION": "there"})
    assert found == {"AWS_ENDPOINT_URL": "http://minio:9000"}
    assert store_variables("/shared/runs", {}) == {}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://me:planted@minio:9000")
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL") as refused:
        store_variables("s3://bucket/runs", {})
    assert "planted" not in str(refused.value)


def test_a_job_that_runs_already_is_not_said_to_be_followed_without_waiting(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = {"tid_tune_command": REQUEST.command}
    server: Any = Server(Job(f"{REQUEST.prefix}1", metadata=command))
    for no_wait, said in ((True, "nothing is submitted"), (False, "its output follows")):
        _attach_or_submit(server, REQUEST, None, no_wait)
        assert f"running already, as the job {REQUEST.prefix}1; {said}" in capsys.readouterr().out
    server = Server(Job(f"{REQUEST.prefix}1", JobStatus.FAILED))
    _attach_or_submit(server, REQUEST, None, False)
    assert f"the job before, {REQUEST.prefix}1, failed; what" in capsys.readouterr().out


def test_the_environment_of_a_job_is_read() -> None:
    assert read_env(["A=1", "B=x=y", "AWS_SHARED_CREDENTIALS_FILE=/a"])["B"] == "x=y"
    with pytest.raises(UsageError, match="expected NAME=VALUE"):
        read_env(["A"])


def test_output_is_printed_once_over_lost_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "RETRY_SECONDS", 0)
    server: Any = Server()
    server.connections.append(["one\ntwo\n"])
    printed: list[str] = []
    info = following.follow(server, "job", printed.append)
    assert info.status is JobStatus.SUCCEEDED
    assert "".join(printed) == "one\ntwo\nthree\n"


@pytest.mark.parametrize("address", ["auto", "ray://head:10001", "local"])
def test_an_address_that_is_no_job_servers_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"--address|no Ray job server answers"):
        client.connect(address)


def test_a_head_that_is_starting_is_asked_again_and_any_other_refusal_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(submission, "RETRY_SECONDS", 0.0)
    server: Any = Server()
    server.refusals = ["status code 500: No available agent to submit job"] * 2
    assert submit(server, REQUEST, None, None) == f"{REQUEST.prefix}1"
    assert not server.refusals
    server.refusals = ["a job of this name is there already", "never asked again"]
    with pytest.raises(RuntimeError, match="is there already"):
        submit(server, REQUEST, None, None)
    assert len(server.refusals) == 1
    monkeypatch.setattr(submission, "START_SECONDS", 0.0)
    server.refusals = ["No available agent"] * 9
    with pytest.raises(RuntimeError, match="No available agent"):
        submit(server, REQUEST, None, None)
