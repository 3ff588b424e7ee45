"""`tid-tune submit`: run a search as a Ray job, follow it, stop it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from tid_tune.cli.options import Overrides, SpaceFile, local
from tid_tune.errors import TidTuneError, UsageError
from tid_tune.storage.places import child, place_of, shown

if TYPE_CHECKING:
    from tid_tune.cluster.jobs.client import JobDetails, JobSubmissionClient
    from tid_tune.cluster.jobs.package import Package
    from tid_tune.cluster.jobs.submission import Request
    from tid_tune.searchfile import SearchSpec

Address = Annotated[
    str | None,
    typer.Option(help="The job server. Default: RAY_API_SERVER_ADDRESS, or this machine's."),
]
WorkingDir = Annotated[
    Path, typer.Option(help="The project: the folder that the job is started in.", callback=local)
]
NoUpload = Annotated[
    bool,
    typer.Option("--no-upload", help="All nodes see the project at this path; upload nothing."),
]
Runs = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="The folder that holds the run folders: a URI such as s3://bucket/runs, or a path "
        "that is the same on all nodes. Default with --no-upload: runs in the project.",
    ),
]
Env = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME=VALUE", help="For the job's processes; no secrets."),
]
Cpus = Annotated[
    float | None, typer.Option(help="CPUs reserved for the job's own process on its node.")
]
Memory = Annotated[
    str | None, typer.Option(help="Memory reserved for the job's own process, such as 4GiB.")
]


def submit(
    space: SpaceFile,
    overrides: Overrides = None,
    address: Address = None,
    working_dir: WorkingDir = Path(),
    no_upload: NoUpload = False,
    runs: Runs = None,
    env: Env = None,
    entrypoint_cpus: Cpus = None,
    entrypoint_memory: Memory = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Return when the job is submitted.")
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="End the search's job; submitting it again resumes.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over; an earlier run is kept beside it.")
    ] = False,
) -> None:
    """Run a search as a Ray job and follow it; the same command attaches to it, or resumes it."""
    import os

    from tid_tune.searchfile import load

    space, folder = space.resolve(), working_dir.resolve()
    if not space.is_relative_to(folder):
        raise UsageError(f"{space} is not in the working folder {folder}; name another one")
    os.chdir(folder)
    spec = load(space, overrides or (), check_files=False)
    from tid_tune.cluster.jobs.submission import (
        Request,
        read_env,
        require_public,
        store_variables,
    )

    require_public(overrides or ())
    place = _runs(runs, folder, no_upload)
    variables = read_env(env or ())
    passed = {} if stop else store_variables(place, variables)
    request = Request(
        name=spec.name,
        space=PurePosixPath(space.relative_to(folder).as_posix()),
        runs=place,
        folder=PurePosixPath(folder.as_posix()) if no_upload else None,
        overrides=tuple(overrides or ()),
        fresh=fresh,
        env={**passed, **variables},
        cpus=entrypoint_cpus,
        memory=_bytes(entrypoint_memory),
    )
    package = None if no_upload or stop else _package(spec, folder)
    from tid_tune.cluster.jobs.client import connect
    from tid_tune.console import explain

    if passed:
        shown_variables = ", ".join(f"{name}={value}" for name, value in passed.items())
        explain(f"passed to the job from this shell: {shown_variables}; --env sets others")
    if package is not None and "://" in place and _default_database(spec, variables):
        explain(
            "warning: tracking.uri is not set, so MLflow's database stays on the node of the job, "
            "in its cache; name a server with --set tracking.uri=http://HOST:5000"
        )
    client = connect(address)
    if stop:
        _stop(client, request)
        return
    job = _attach_or_submit(client, request, package, no_wait)
    if not no_wait:
        _follow(client, job)


def _runs(runs: str | None, folder: Path, no_upload: bool) -> str:
    if runs is None and no_upload:
        runs = str(folder / "runs")
    place = None if runs is None else place_of(runs)
    if place is None or (isinstance(place, Path) and not place.is_absolute()):
        raise UsageError(
            f"--runs {runs or 'is missing'}: name the absolute path of a folder that all nodes "
            "share, or a URI such as s3://bucket/runs; what a job writes to its uploaded working "
            "folder is lost with the job"
        )
    return str(place)


def _default_database(spec: SearchSpec, variables: Mapping[str, str]) -> bool:
    """Return whether a search is copied to a database, and to no server."""
    from tid_tune.tracking.address import URI_VARIABLE

    return spec.tracking.enabled and spec.tracking.uri is None and URI_VARIABLE not in variables


def _bytes(text: str | None) -> int | None:
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        return None if text is None else int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise UsageError(
            f"--entrypoint-memory {text}: expected a size such as 4GiB or 500MB"
        ) from None


def _package(spec: SearchSpec, folder: Path) -> Package:
    from tid_tune.cluster.jobs.needs import needed_files
    from tid_tune.cluster.jobs.package import collect

    return collect(folder, needed_files(spec))


def _attach_or_submit(
    client: JobSubmissionClient, request: Request, package: Package | None, no_wait: bool
) -> str:
    """Return the name of the job that runs the search, a present or a new one."""
    from tid_tune.cluster.jobs.submission import (
        has_other_command,
        is_running,
        present_job,
        submit,
    )
    from tid_tune.console import explain

    last = present_job(client, request)
    if last is not None and is_running(last):
        what = "nothing is submitted" if no_wait else "its output follows"
        explain(f"{request.name} is running already, as the job {last.submission_id}; {what}")
        if has_other_command(last, request):
            explain(
                f"  it was submitted as `{last.entrypoint}`; for other options, --stop it first"
            )
        return str(last.submission_id)
    for line in package.describe() if package is not None else ():
        explain(line)
    try:
        job = submit(client, request, package, last)
    except RuntimeError as error:
        raise TidTuneError(f"the job server refused the job: {error}") from error
    folder = shown(child(place_of(request.runs), request.name))
    explain(f"{request.name} is submitted: job {job}; run folder {folder}")
    if last is not None:
        then = "it starts over" if request.fresh else "what it has recorded is resumed"
        explain(f"  the job before, {last.submission_id}, {_end(last)}; {then}")
    return job


def _end(job: JobDetails) -> str:
    return {"STOPPED": "was stopped", "FAILED": "failed"}.get(str(job.status), "has ended")


def _follow(client: JobSubmissionClient, job: str) -> None:
    from tid_tune.cluster.jobs.following import follow
    from tid_tune.console import explain, pass_on, say

    try:
        info = follow(client, job, pass_on)
    except KeyboardInterrupt:
        say()
        explain(
            f"the job {job} goes on. The same command attaches to it again; with --stop, it ends"
        )
        raise typer.Exit(130) from None
    if str(info.status) == "STOPPED":
        explain(f"the job {job} was stopped; the same command resumes")
        raise typer.Exit(130)
    if str(info.status) == "FAILED":
        raise TidTuneError(f"the job {job} failed: {info.message}")


def _stop(client: JobSubmissionClient, request: Request) -> None:
    from tid_tune.cluster.jobs.following import wait_for_end
    from tid_tune.cluster.jobs.submission import STOP_SECONDS, is_running, present_job
    from tid_tune.console import explain

    last = present_job(client, request)
    if last is None or not is_running(last):
        explain(f"no job runs {request.name} in {request.runs}")
        return
    job = str(last.submission_id)
    explain(f"asked the job {job} to end; running trials keep their progress")
    client.stop_job(job)
    info = wait_for_end(client, job, STOP_SECONDS + 30)
    if not info.status.is_terminal():
        raise TidTuneError(f"the job {job} has not ended yet; see `ray job status {job}`")
    explain(f"the job {job} has ended; submitting it again resumes")
