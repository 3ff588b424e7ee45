"""Where a search is in MLflow's user interface, and on which port it is shown."""

from __future__ import annotations

import socket

import pytest
from mlflow import MlflowClient
from support.mlflow_story import STORY, copy_all, mirror, nobody

from tid_tune.errors import TidTuneError, UsageError
from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.address import Address
from tid_tune.tracking.interface import HOST, find_place, require_port


def test_a_port_that_another_process_listens_on_is_refused() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        port = other.getsockname()[1]
        other.listen()
        with pytest.raises(UsageError, match=f"port {port} is in use; name another one"):
            require_port(port)
    require_port(port)


def test_a_search_whose_views_are_not_there_is_found_without_them(
    spec: SearchSpec, uri: str
) -> None:
    made = mirror(spec, uri)
    copy_all(made, STORY)
    address, run_id = Address(uri, spec.name), f"run-{spec.name}"
    there = find_place(address, run_id)
    assert there is not None
    assert there.has_view
    client = MlflowClient(uri)
    for tag in client.get_experiment(there.experiment).tags:
        if tag.endswith(there.run):
            client.delete_experiment_tag(there.experiment, tag)
    without = find_place(address, run_id)
    assert without is not None
    assert not without.has_view


def test_a_server_that_does_not_answer_is_named_in_few_words(
    spec: SearchSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TidTuneError, match=r"127.0.0.1:9: no answer \(Connection refused\)$"):
        find_place(nobody(spec), "run")
