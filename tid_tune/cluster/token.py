"""Ray's token: used where there is one, and named where a cluster demands another."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

from ray._private.authentication.authentication_token_setup import (
    maybe_enable_token_auth_if_token_available,
)
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # its stub lacks it
from ray.exceptions import AuthenticationError

from tid_tune.errors import UsageError

PROBE_SECONDS = 20.0
"""A head answers within milliseconds, on a busy machine within seconds."""
_HINT = (
    "the cluster demands its token. Set RAY_AUTH_MODE=token, and the token in RAY_AUTH_TOKEN, in a "
    "file that RAY_AUTH_TOKEN_PATH names, or in ~/.ray/auth_token; on the head node, "
    "`ray get-auth-token` prints it"
)


def use_token() -> None:
    """Use the token of the environment or the home folder, unless RAY_AUTH_MODE is set.

    Ray does so only for clusters that it finds by itself.
    """
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


@contextlib.contextmanager
def naming_the_token(address: str) -> Iterator[None]:
    """Turn the errors of a cluster that refuses a token, or its absence, into one message.

    Raises:
        UsageError: the cluster at `address` refuses.
        ConnectionError: what listens at `address` is no head, or hangs.
    """
    try:
        _require_access(address)
        yield
    except Exception as error:
        if not _is_refusal(error):
            raise
        raise UsageError(f"{address}: {_HINT}") from error


def _require_access(address: str) -> None:
    """Ask the head node of `HOST:PORT` for its cluster: `ray.init` would try for minutes.

    Raises:
        AuthenticationError: it refuses the token.
        ConnectionError: it does not answer.
    """
    if "://" in address or ":" not in address:
        return
    refusals: list[AuthenticationError] = []

    def ask() -> None:
        try:
            GcsClient(address=address)
        except AuthenticationError as error:
            refusals.append(error)
        except Exception:  # Ray's start has the same, and says it
            return

    # It does not end where nothing answers.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    if refusals:
        raise refusals[0]
    if thread.is_alive():
        raise ConnectionError(
            f"what listens there has not answered as a Ray head does, within {PROBE_SECONDS:g} s"
        )


def _is_refusal(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, AuthenticationError) or "nauthenticated" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
