"""What a search keeps to itself: Ray's ports and the user's credentials."""

from __future__ import annotations

import os

import pytest
from ray._private import services
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE, _ActorClassCache

from tid_tune.cluster.privacy import on_loopback, pass_on_variables


class Trainable:
    """Of Tune, as far as its cache looks."""


def test_tune_gives_workers_no_credentials_by_their_runtime_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [name for name in ENV_VARS_TO_PROPAGATE if not name.startswith("AWS_")]
    assert names
    for name in (*names, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "1")
    pass_on_variables(local=True)
    assert not given_variables(), "then Ray uses the processes that it has started"
    pass_on_variables(local=False)
    given = given_variables()
    assert set(names) <= set(given), "what Tune itself needs"
    assert not [name for name in given if name.startswith("AWS_")]


def given_variables() -> dict[str, str]:
    actor = _ActorClassCache().get(Trainable)
    given: dict[str, str] = actor._default_options["runtime_env"].get("env_vars", {})
    return given


@pytest.mark.parametrize("before", [None, "1"])
def test_rays_address_is_loopback_inside_the_block_alone(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", True)
    monkeypatch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", raising=False)
    if before is not None:
        monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", before)
    monkeypatch.setattr(services, "node_ip_address_from_perspective", lambda address: "10.0.0.1")
    monkeypatch.setattr("ray._private.worker._global_node", None)
    with on_loopback():
        assert services.get_node_ip_address() == "127.0.0.1"
        assert os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0", "also for its processes"
    assert services.get_node_ip_address() == "10.0.0.1"
    assert os.environ.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER") == before
