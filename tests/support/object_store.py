"""Stores on this machine: an S3 server, a folder behind a URI, and one that is down for a while."""

from __future__ import annotations

import contextlib
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tid_tune.storage.objects import Objects

KEYS = {"AWS_ACCESS_KEY_ID": "planted-key", "AWS_SECRET_ACCESS_KEY": "planted-secret"}
"""For the environment of all processes; the server takes any."""
BUCKET = "bucket"


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Start an S3 server with an empty bucket; yield its endpoint, `http://127.0.0.1:PORT`."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        request = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        yield endpoint
    finally:
        server.stop()


def s3_uri(endpoint: str, folder: str) -> str:
    """Return the URI of a folder in the bucket of a server."""
    host = endpoint.removeprefix("http://")
    return f"s3://{BUCKET}/{folder}?scheme=http&endpoint_override={host}"


class Outage:
    """Lets requests to all stores fail, as if the network were gone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        """How many requests will fail; -1: all."""
        self.slept = 0.0
        """Seconds that were waited for the store; nobody really waits."""
        before = Objects._try

        def attempt(objects: Objects, action: Callable[[], Any]) -> Any:
            def fail_or_act() -> Any:
                if self.left:
                    self.left -= 1
                    raise OSError("the network is gone")
                return action()

            return before(objects, fail_or_act)

        monkeypatch.setattr(Objects, "_try", attempt)
        monkeypatch.setattr("tid_tune.storage.objects.time", self)

    def sleep(self, seconds: float) -> None:
        """Stand in for time.sleep."""
        self.slept += seconds

    def monotonic(self) -> float:
        """Stand in for time.monotonic."""
        return self.slept
