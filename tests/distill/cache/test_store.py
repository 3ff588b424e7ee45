"""The files of the cache: several processes, torn writes, a full disk, what makes room."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tid_tune.distill.cache import store as store_module
from tid_tune.distill.cache.folders import ABOUT, DATA, CacheFolder
from tid_tune.distill.cache.store import Store

MIB = 2**20


def key(number: int) -> bytes:
    return number.to_bytes(20, "big")


def opened(path: Path, limit: int = 64 * MIB) -> Store:
    return Store(CacheFolder(path), limit, {"checkpoint": "teacher.pth"})


def test_an_entry_is_there_at_once_and_for_the_next_process(tmp_path: Path) -> None:
    store = opened(tmp_path / "a")
    assert store.get(key(1)) is None
    store.put(key(1), b"entry")
    assert store.get(key(1)) == b"entry"
    store.close()
    again = opened(tmp_path / "a")
    assert again.get(key(1)) == b"entry"
    assert again.folder.about == {"checkpoint": "teacher.pth"}
    again.close()


def test_hits_and_misses_of_all_processes_are_added_up(tmp_path: Path) -> None:
    for hits, misses in ((3, 1), (4, 0)):
        store = opened(tmp_path / "a")
        store.put(key(hits), b"entry")
        store.hits, store.misses = hits, misses
        store.close()
    last = opened(tmp_path / "a")
    assert last.counts() == (2, 7, 1)
    last.close()


WRITER = """
import sys
from pathlib import Path
from tid_tune.distill.cache.folders import CacheFolder
from tid_tune.distill.cache.store import Store
first, path = int(sys.argv[1]), Path(sys.argv[2])
store = Store(CacheFolder(path), 64 * 2**20, {})
print("ready", flush=True)
sys.stdin.readline()
for number in range(first, first + 40):
    store.put(number.to_bytes(20, "big"), bytes([first]) * 5000)
    store.flush()
store.close()
"""


def start_writer(first: int, path: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(first), str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_two_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    writers = [start_writer(first, tmp_path / "a") for first in (0, 100)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:  # both are ready before either writes
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0]
    store = opened(tmp_path / "a")
    for first in (0, 100):
        for number in range(first, first + 40):
            assert store.get(key(number)) == bytes([first]) * 5000
    store.close()


def test_a_killed_writer_leaves_whole_entries_and_blocks_nobody(tmp_path: Path) -> None:
    code = WRITER.replace("store.close()", "import os; os.kill(os.getpid(), 9)")
    code = code.replace("    store.flush()\n", "    store.flush()\n    print(number, flush=True)\n")
    done = subprocess.run(
        [sys.executable, "-c", code, "0", str(tmp_path / "a")],
        input=b"go\n",
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == -9
    store = opened(tmp_path / "a")
    written = [int(line) for line in done.stdout.split()[1:]]
    assert written
    assert all(store.get(key(number)) == bytes(5000) for number in written)
    store.put(key(999), b"more")
    store.flush()
    assert store.writes
    store.close()


@pytest.mark.parametrize("damage", ["cut off", "overwritten", "empty"])
def test_a_damaged_file_is_begun_anew(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(tmp_path / "a")
    for number in range(20):
        store.put(key(number), os.urandom(5000))
    store.close()
    data = tmp_path / "a" / DATA
    if damage == "overwritten":
        data.write_bytes(b"no database" * 2000)
    else:
        os.truncate(data, 0 if damage == "empty" else data.stat().st_size // 2)
    with caplog.at_level(logging.WARNING):
        store = opened(tmp_path / "a")
    assert store.get(key(1)) is None
    store.put(key(1), b"new")
    store.flush()
    assert store.get(key(1)) == b"new"
    assert (damage == "empty") or ("damaged" in caplog.text and str(tmp_path / "a") in caplog.text)
    store.close()


def test_at_the_limit_no_entry_is_added_and_one_line_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(tmp_path / "a", limit=MIB)
    with caplog.at_level(logging.WARNING):
        for number in range(100):
            store.put(key(number), os.urandom(40_000))
            store.flush()
    assert store.get(key(0)) is not None
    assert store.get(key(99)) is None
    assert not store.writes
    assert store.works
    assert CacheFolder(tmp_path / "a").size <= MIB
    assert len(caplog.records) == 1
    assert "full" in caplog.text
    store.close()


def test_room_is_made_of_the_cache_that_was_not_used_for_longest(tmp_path: Path) -> None:
    for name, age in (("old", 9_000), ("newer", 1_000)):
        store = opened(tmp_path / name)
        for number in range(10):
            store.put(key(number), os.urandom(40_000))
        store.close()
        used = tmp_path / name / "in_use"
        os.utime(used, (used.stat().st_atime, used.stat().st_mtime - age))
    store = opened(tmp_path / "mine", limit=MIB)
    for number in range(10):
        store.put(key(number), os.urandom(40_000))
    store.close()
    assert {item.name for item in tmp_path.iterdir()} == {"newer", "mine"}


def test_a_cache_in_use_is_not_removed_to_make_room(tmp_path: Path) -> None:
    other = opened(tmp_path / "other")
    for number in range(20):
        other.put(key(number), os.urandom(40_000))
    other.flush()
    store = opened(tmp_path / "mine", limit=MIB)
    for number in range(20):
        store.put(key(number), os.urandom(40_000))
    store.flush()
    assert other.get(key(1)) is not None
    assert (tmp_path / "other").is_dir()
    assert not store.writes
    assert not other.folder.remove()
    other.close()
    assert other.folder.remove()
    store.close()


def test_a_failed_write_ends_writing_with_one_line_and_reading_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "SPACE_FACTOR", 0)  # LMDB's own end of space: 16 MiB
    store = opened(tmp_path / "a")
    store.put(key(0), b"first")
    store.flush()
    with caplog.at_level(logging.WARNING):
        for number in range(1, 30):
            store.put(key(number), os.urandom(MIB))
            store.flush()
    assert store.get(key(0)) == b"first"
    assert store.get(key(29)) is None
    assert not store.writes
    assert len(caplog.records) == 1
    store.close()


def test_a_full_disk_ends_writing_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "FREE_BYTES", 2**62)
    store = opened(tmp_path / "a")
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            store.put(key(number), b"entry")
            store.flush()
    assert "disk is full" in caplog.text
    assert len(caplog.records) == 1
    assert not store.writes
    store.close()


def test_a_folder_that_cannot_be_made_turns_the_cache_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        store = opened(tmp_path / "file" / "a")
    store.put(key(1), b"entry")
    assert store.get(key(1)) is None
    assert "is off" in caplog.text
    assert str(tmp_path / "file") in caplog.text


def test_one_process_opens_a_cache_once(tmp_path: Path) -> None:
    first = Store.shared(CacheFolder(tmp_path / "a"), MIB, {})
    assert Store.shared(CacheFolder(tmp_path / "b" / ".." / "a"), MIB, {}) is first
    first.close()
    again = Store.shared(CacheFolder(tmp_path / "a"), MIB, {})
    assert again is not first
    assert again.works
    again.close()
    assert (tmp_path / "a" / ABOUT).is_file()
