"""Connecting to Ray: what a user reads when it does not work."""

from __future__ import annotations

import pytest
import ray
from ray.exceptions import AuthenticationError

from tid_tune.cluster import token
from tid_tune.cluster.session import ray_session
from tid_tune.errors import TidTuneError, UsageError


@pytest.fixture(autouse=True)
def no_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """No head node is asked."""
    monkeypatch.setattr(token, "GcsClient", lambda address: None)


def fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(ray, "init", init)


def test_an_address_without_a_cluster_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(ConnectionError("refused"), monkeypatch)
    with (
        pytest.raises(UsageError, match=r"10\.0\.0\.1:6379.*ray start"),
        ray_session("10.0.0.1:6379"),
    ):
        pass


def test_a_cluster_that_demands_a_token_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = ConnectionError("Failed to connect")
    refusal.__cause__ = AuthenticationError("the token is invalid")
    fail_with(refusal, monkeypatch)
    with (
        pytest.raises(UsageError, match=r"10\.0\.0\.1:6379.*RAY_AUTH_TOKEN") as refused,
        ray_session("10.0.0.1:6379"),
    ):
        pass
    assert "no Ray cluster answers" not in str(refused.value)


def test_a_head_that_refuses_the_token_is_not_tried_for_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(address: str) -> None:
        raise AuthenticationError(f"the token is not that of {address}")

    monkeypatch.setattr(token, "GcsClient", refuse)
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("it would wait"))
    with pytest.raises(UsageError, match="RAY_AUTH_TOKEN"), ray_session("10.0.0.1:6379"):
        pass


def test_a_ray_that_starts_too_slowly_is_one_message_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_with(Exception("The current node timed out during startup.\nMore."), monkeypatch)
    with (
        pytest.raises(TidTuneError, match=r"timed out.*run the same command again"),
        ray_session(None),
    ):
        pass
