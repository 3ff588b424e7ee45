"""Connecting to the job server of a Ray cluster, with errors that a user can act upon."""

from __future__ import annotations

import contextlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterator

from ray.job_submission import JobDetails, JobSubmissionClient

from tid_tune.cluster.token import naming_the_token, use_token
from tid_tune.errors import UsageError

__all__ = ["JobDetails", "JobSubmissionClient", "connect"]

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
ADDRESS_VARIABLE = "RAY_API_SERVER_ADDRESS"
PROBE_SECONDS = 20.0
_OVERRIDING = (ADDRESS_VARIABLE, "RAY_ADDRESS")


def connect(address: str | None) -> JobSubmissionClient:
    """Return a client of the job server at `address`, or of this machine's.

    A token that is there is sent.

    Raises:
        UsageError: nothing answers there, or it demands another token.
    """
    url = _url(address or os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS)
    _probe(url)
    use_token()
    try:
        with naming_the_token(url), _without(_OVERRIDING):
            return JobSubmissionClient(url)
    except (ConnectionError, RuntimeError) as error:
        raise _no_answer(url, error) from None


def _probe(url: str) -> None:
    """Check that something answers, at all: Ray's client would wait for it without an end."""
    try:
        urllib.request.urlopen(f"{url}/api/version", timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError as refused:  # an answer, also if it is that a token is missing
        refused.close()
    except (OSError, http.client.HTTPException) as error:
        raise _no_answer(url, error) from None


def _no_answer(url: str, error: Exception) -> UsageError:
    return UsageError(
        f"no Ray job server answers at {url} ({_first_line(error)}). Name the head node with "
        "--address http://HEAD:8265; from elsewhere, forward its port first, for example with "
        "`ssh -L 8265:127.0.0.1:8265 HEAD`"
    )


def _url(address: str) -> str:
    """Return an address with its scheme.

    Raises:
        UsageError: it is no address of a job server.
    """
    url = address if "://" in address else f"http://{address}"
    if not url.startswith(("http://", "https://")) or address == "auto":
        raise UsageError(
            f"--address {address}: a job server has an address such as http://HEAD:8265"
        )
    return url.rstrip("/")


@contextlib.contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Hide environment variables that Ray prefers to the address it is given."""
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
