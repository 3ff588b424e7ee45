"""Files of a store, on a folder, on a file system of fsspec, and on an S3 server."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.object_store import BUCKET, Outage

from tid_tune.errors import UsageError
from tid_tune.ledger.decisions import Cause
from tid_tune.storage.objects import Objects, StoreError
from tid_tune.storage.places import Uri


def objects(place: str, patience: float = 0.0) -> Objects:
    return Objects(Uri.parse(place).child("toy"), patience)


def test_files_are_written_read_listed_and_deleted(store: str, tmp_path: Path) -> None:
    files = objects(store)
    assert files.sizes() == {}
    large = bytes(range(256)) * 50_000
    (tmp_path / "large").write_bytes(large)
    files.put("trials/t0001/large.pth", tmp_path / "large")
    files.write("trials/t0001/trial.log", b"one\n")
    files.write("trials/t0001/trial.log", b"two\n")
    files.write("lock.json", b"{}")
    assert files.sizes("trials") == {
        "trials/t0001/large.pth": len(large),
        "trials/t0001/trial.log": 4,
    }
    assert set(files.sizes()) == {*files.sizes("trials"), "lock.json"}
    assert (files.size("lock.json"), files.size("trials"), files.size("none")) == (2, None, None)
    assert files.read("trials/t0001/trial.log") == b"two\n"
    files.get("trials/t0001/large.pth", tmp_path / "new" / "copy")
    assert (tmp_path / "new" / "copy").read_bytes() == large
    files.delete("lock.json")
    files.delete("lock.json")
    files.delete_folder("trials/t0001")
    files.delete_folder("trials/t0001")
    assert files.sizes() == {}


def test_a_missing_file_is_none_and_leaves_none(store: str, tmp_path: Path) -> None:
    files = objects(store)
    files.write("there", b"")
    with pytest.raises(FileNotFoundError):
        files.read("none")
    with pytest.raises(FileNotFoundError):
        files.get("none", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_folder_is_renamed_with_all_in_it_but_one_file(store: str) -> None:
    files = objects(store)
    for name in ("ledger/00000.jsonl", "best/config.py", "lock.json"):
        files.write(name, name.encode())
    files.rename("toy.1", but="lock.json")
    assert list(files.sizes()) == ["lock.json"]
    there = Objects(Uri.parse(store).child("toy.1"))
    assert set(there.sizes()) == {"ledger/00000.jsonl", "best/config.py"}
    assert there.read("best/config.py") == b"best/config.py"
    assert Objects(Uri.parse(store)).folders() == ["toy", "toy.1"]


def test_a_copy_that_breaks_off_leaves_the_old_file(folder: str, tmp_path: Path) -> None:
    files = objects(folder)
    files.write("file", b"old")

    def broken(stream: object) -> None:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        files._upload("file", broken)
    assert files.sizes() == {"file": 3}


def test_a_store_that_is_down_for_a_while_is_waited_for(
    folder: str, outage: Outage, capsys: pytest.CaptureFixture[str]
) -> None:
    files = objects(folder, patience=300)
    outage.left = 5
    files.write("file", b"1")
    assert files.read("file") == b"1"
    assert 10 < outage.slept < 60
    down, up = capsys.readouterr().out.splitlines()
    assert "does not answer; trying for 5 min: the network is gone" in down
    assert "answers again" in up


def test_a_store_that_stays_down_is_given_up_with_the_way_out(folder: str, outage: Outage) -> None:
    files = objects(folder, patience=300)
    outage.left = -1
    with pytest.raises(StoreError, match=r"the network is gone.*same command") as caught:
        files.write("file", b"1")
    assert caught.value.kind is Cause.STORAGE
    assert 250 < (waited := outage.slept) <= 300
    with pytest.raises(StoreError):
        files.hasty().write("file", b"1")
    assert outage.slept == waited, "nobody waits"


def test_a_bucket_that_is_not_there_is_an_error_and_no_missing_file(s3: str) -> None:
    host = s3.removeprefix("http://")
    files = objects(f"s3://none-of-{BUCKET}/runs?scheme=http&endpoint_override={host}")
    with pytest.raises(StoreError, match=f"none-of-{BUCKET}"):
        files.write("file", b"1")


def test_an_option_that_a_uri_of_s3_does_not_have_is_named() -> None:
    with pytest.raises(UsageError, match=r"'endpoint'.*did you mean 'endpoint_override'"):
        Objects(Uri.parse("s3://bucket/runs?endpoint=host:9000"))


def test_what_nothing_here_can_write_to_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing here writes to"):
        Objects(Uri.parse("nothing://bucket/runs"))
