"""What a user may name as the place of run folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tid_tune.errors import UsageError
from tid_tune.storage.places import Uri, child, name_of, parent, place_of

ENDPOINT = "s3://bucket/runs?scheme=http&endpoint_override=host:9000"


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIA:planted@bucket/runs",
        "s3://AKIA:plan/ted@bucket/runs",
        "s3://AKIA:plan%2Fted@bucket/runs",
        "gs://bucket/runs?token=planted",
        "abfs://account:planted@container/runs",
    ],
)
def test_a_uri_with_a_secret_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(UsageError, match=r"credentials") as caught:
        place_of(text)
    assert "plan" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [ENDPOINT, "gs://anonymous@bucket/a/b", "hdfs://host:8020/runs", "file:///data/runs"],
)
def test_other_uris_stay_as_they_are(text: str) -> None:
    assert place_of(text) == text


def test_what_is_no_uri_is_a_path() -> None:
    assert place_of("runs") == place_of(Path("runs")) == Path("runs")
    with pytest.raises(UsageError, match="as a string"):
        place_of(Path("s3://bucket/runs"))
    with pytest.raises(UsageError, match="s3://bucket/folder"):
        place_of("s3://")


def test_folders_and_files_inside_keep_the_endpoint() -> None:
    run = child(ENDPOINT, "toy")
    assert run == "s3://bucket/runs/toy?scheme=http&endpoint_override=host:9000"
    assert (name_of(run), parent(run)) == ("toy", ENDPOINT)
    assert child(Path("runs"), "toy") == Path("runs/toy")
    assert place_of("s3://bucket/runs/") == "s3://bucket/runs"


def test_the_endpoint_of_the_environment_is_sent_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    uri = Uri.parse("s3://bucket/runs")
    assert uri.anywhere() == uri
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://other:9000")
    assert str(uri.anywhere()) == "s3://bucket/runs?endpoint_override=other:9000&scheme=https"
    assert str(Uri.parse(ENDPOINT).anywhere()) == ENDPOINT
    assert str(Uri.parse("gs://bucket/runs").anywhere()) == "gs://bucket/runs"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://me:planted@other:9000")
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL") as caught:
        uri.anywhere()
    assert "planted" not in str(caught.value)
