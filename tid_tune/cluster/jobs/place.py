"""Where a job's files are: not in the folder into which Ray unpacks its package."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

from tid_tune.errors import UsageError

_PACKAGES = "working_dir_files"
_PACKAGE = "_ray_pkg_"
_JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Ray sets it for the command of a job."""


def in_package(path: Path) -> bool:
    """Return whether a path lies in a folder that Ray has made of a job's `working_dir`."""
    parts = path.absolute().parts
    return any(one == _PACKAGES and other.startswith(_PACKAGE) for one, other in pairwise(parts))


def in_job() -> bool:
    """Return whether this process is the command of a Ray job, also of one without an upload."""
    return _JOB_VARIABLE in os.environ


def require_lasting(run: Path) -> None:
    """Check that a run folder outlives its job.

    Raises:
        UsageError: it lies in Ray's package, whose name changes with every byte of the upload.
    """
    if in_package(run):
        raise UsageError(
            f"{run} is in the folder into which Ray unpacks this job's working_dir: what a search "
            "writes there is lost when Ray ends, and not found when a file of the project changes. "
            "Add --runs and the absolute path of a folder that all nodes share, or submit the job "
            "with `tid-tune submit`"
        )
