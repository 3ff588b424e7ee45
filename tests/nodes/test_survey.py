"""What a node reports of its storage, data and teacher, in folders of this machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tid_tune import __version__
from tid_tune.nodes import survey as surveys
from tid_tune.nodes.survey import DRIVER, MISSING, Dataset, Questions, survey


@pytest.fixture
def questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Questions:
    """A folder with three images, two objects, a teacher, and a probed run folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe" / DRIVER).write_text("token")
    (tmp_path / "images").mkdir()
    names = [f"{i}.jpg" for i in range(3)]
    for name in names:
        (tmp_path / "images" / name).touch()
    document = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": [{"id": i, "image_id": i, "category_id": 1} for i in range(2)],
    }
    (tmp_path / "train.json").write_text(json.dumps(document))
    (tmp_path / "teacher.pth").write_bytes(b"weights")
    dataset = Dataset("train", Path("train.json"), (Path("images"),))
    return Questions(tmp_path, str(tmp_path), "probe", "token", (dataset,), Path("teacher.pth"))


def test_a_node_writes_and_reads_the_storage_and_counts_its_data(questions: Questions) -> None:
    facts = survey(questions, "n1")
    assert (facts.storage, facts.fault) == ("", "")
    assert (questions.root / questions.probe / "n1").read_text() == "token"
    assert facts.free is not None
    assert facts.free > 0
    (data,) = facts.data
    content = (questions.root / "train.json").read_bytes()
    assert (data.images, data.objects, data.missing) == (3, 2, ())
    assert data.digest == hashlib.sha256(content).hexdigest()[:8]
    assert facts.teacher == hashlib.sha256(b"weights").hexdigest()[:8]
    versions = dict(facts.versions)
    assert versions["tid-tune"] == __version__
    assert versions["ray"][0].isdigit()


def test_a_node_writes_and_reads_a_store(questions: Questions) -> None:
    store = replace(questions, run=f"file://{questions.root}")
    assert survey(store, "n1").storage == ""
    assert (questions.root / questions.probe / "n1").read_text() == "token"
    unknown = replace(questions, run="nothing://bucket/run")
    assert "nothing here writes to" in survey(unknown, "n1").storage


@pytest.mark.parametrize("chunk", [1, 5, 12, 13, 64])
def test_keys_across_the_pieces_that_are_read_are_counted_once(
    chunk: int, questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surveys, "_CHUNK", chunk)
    (data,) = survey(questions, "n1").data
    assert (data.images, data.objects) == (3, 2)


def test_a_voc_list_names_images_alone(questions: Questions) -> None:
    (questions.root / "train.txt").write_text("000001\n000002\n")
    listed = replace(questions, datasets=(Dataset("train", Path("train.txt")),))
    (data,) = survey(listed, "n1").data
    assert (data.images, data.objects) == (2, None)


def test_what_is_missing_is_named(questions: Questions) -> None:
    elsewhere = replace(questions, root=questions.root / "elsewhere")
    facts = survey(elsewhere, "n1")
    assert facts.data[0].missing == (
        str(elsewhere.root / "train.json"),
        str(elsewhere.root / "images"),
    )
    assert facts.teacher == MISSING


def test_a_folder_without_any_of_the_images_is_missing_them(questions: Questions) -> None:
    for image in (questions.root / "images").iterdir():
        image.unlink()
    (data,) = survey(questions, "n1").data
    assert data.missing == (str(questions.root / "images" / "0.jpg"),)


def test_a_folder_of_the_same_name_that_is_not_shared_is_seen(questions: Questions) -> None:
    (questions.root / questions.probe / DRIVER).write_text("an earlier one")
    assert "not the driver's folder" in survey(questions, "n1").storage
    (questions.root / questions.probe / DRIVER).unlink()
    facts = survey(questions, "n1")
    assert "not the driver's folder" in facts.storage
    assert facts.free is None
    assert not (questions.root / questions.probe / "n1").exists()


def test_a_folder_that_refuses_to_be_written_is_reported_and_not_raised(
    questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, text: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tid_tune.storage.files.write_text", refuse)
    assert survey(questions, "n1").storage == "cannot be written: Permission denied"


def test_gpus_are_reported_with_their_free_memory(
    tmp_path: Path, questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "NVIDIA H200, 140000, 143771"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    (gpu,) = survey(questions, "n1").gpus
    assert (gpu.name, gpu.free, gpu.total) == ("NVIDIA H200", 140000 * 2**20, 143771 * 2**20)
