"""Files appear whole or not at all, and output folders are made or refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tid_tune.errors import UsageError
from tid_tune.files import make_folder, replacing, unwritable, write_text


def test_a_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.py"
    write_text(path, "old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert (path.read_text(), partial.parent, partial.suffix) == ("old", path.parent, ".py")
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_failed_write_leaves_the_old_and_nothing_else(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "there"
    if kind == "file":
        path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        _write_half(path, kind)
    assert list(tmp_path.iterdir()) == ([path] if kind == "file" else [])
    assert kind == "folder" or path.read_text() == "old"


def _write_half(path: Path, kind: str) -> None:
    with replacing(path) as partial:
        if kind == "file":
            partial.write_text("half")
        else:
            partial.mkdir()
            (partial / "one").write_text("half")
        raise KeyboardInterrupt


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    with replacing(path) as first, replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "ours", "")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "ours")}
    assert len(modes) == 1


def test_an_output_folder_may_be_there_already(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b", "--out")
    make_folder(tmp_path / "a" / "b", "--out")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_cannot_be_made_is_refused_with_its_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--out .*file/below.*Not a directory"):
        make_folder(tmp_path / "file" / "below", "--out")


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    taken = tmp_path / "README.md"
    taken.touch()
    for name in ("x.html", "deeper/x.html"):
        path = taken / name
        with pytest.raises(OSError) as caught:
            write_text(path, "")
        message = str(unwritable(path, caught.value, "--out"))
        assert message == f"--out {path}: cannot be written: {taken} is a file and no folder"
