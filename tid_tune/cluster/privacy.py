"""Keeps a search's Ray to itself: on the loopback interface, without secrets in Ray's files."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator

from ray._private import ray_constants

_ON_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray binds to loopback on the systems on which it knows no clusters; by this variable, on any."""
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
)


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """Let a Ray that is started inside the block, and its workers, listen on loopback only.

    By default, Ray opens about a dozen ports on all interfaces, also for one machine. To name
    127.0.0.1 as the node's address does not help: Ray replaces it by another address of the host.
    """
    known, variable = ray_constants.ENABLE_RAY_CLUSTER, os.environ.get(_ON_LOOPBACK)
    ray_constants.ENABLE_RAY_CLUSTER = False
    os.environ[_ON_LOOPBACK] = "0"
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = known
        if variable is None:
            del os.environ[_ON_LOOPBACK]
        else:
            os.environ[_ON_LOOPBACK] = variable


def pass_on_variables(*, local: bool) -> None:
    """Say which variables of its environment a driver gives to its workers.

    Those that Tune names, except AWS credentials: Tune would copy them into runtime environments,
    which Ray logs. Workers of a cluster have those of the Ray on their node. Workers of a Ray that
    was started here inherit all variables. They get none by a runtime environment: Ray would start
    a new process for it, in place of one that has imported what a trial needs.
    """
    # Here, not above: it imports Tune, which takes seconds.
    from ray.tune.execution import class_cache

    always, named = _of_tune()
    class_cache.DEFAULT_ENV_VARS = {} if local else always
    class_cache.ENV_VARS_TO_PROPAGATE = set() if local else named.difference(_CREDENTIALS)


@functools.cache
def _of_tune() -> tuple[dict[str, str], set[str]]:
    """Return what Tune sets in all workers, and the variables that it copies from the driver."""
    from ray.tune.execution import class_cache

    return class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE
