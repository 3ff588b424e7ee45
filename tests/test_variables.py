"""Paths that differ between machines: `${env:NAME}` in configs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import load_config
from tid_tune.variables import resolve_all, resolved


def test_a_variable_has_the_value_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TID_DATA", "/mnt/a")
    assert resolved("${env:TID_DATA}/coco/") == "/mnt/a/coco/"
    assert resolved("${env:TID_DATA:data}/${env:TID_DATA}") == "/mnt/a//mnt/a"
    monkeypatch.delenv("TID_DATA")
    assert resolved("${env:TID_DATA:data}/coco/") == "data/coco/"
    assert resolved("${env:TID_DATA:}coco/") == "coco/"


def test_other_texts_stay_as_they_are() -> None:
    node = {"a": ["$HOME", "${HOME}", "{{ fileDirname }}", ("${env:1}", 3, None)]}
    assert resolve_all(node) is node


def test_types_of_containers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TID_DATA", "x")
    assert resolve_all([("${env:TID_DATA}", 1), {"k": "${env:TID_DATA}"}]) == [("x", 1), {"k": "x"}]


def test_a_variable_that_is_not_set_is_named_with_the_machine_and_the_fix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TID_DATA", raising=False)
    with pytest.raises(ConfigError, match=r"TID_DATA is not set on .*ray start.*env:TID_DATA:PATH"):
        resolved("${env:TID_DATA}/coco/")


def test_a_config_is_read_with_the_paths_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TID_DATA", "/mnt/a")
    path = tmp_path / "config.py"
    path.write_text(
        "data_root = '${env:TID_DATA}/coco/'\n"
        "_set = dict(data_root=data_root, ann_file=data_root + 'a.json')\n"
        "train_dataloader = dict(dataset=_set)\n"
    )
    dataset = load_config(path, imports=False).train_dataloader.dataset
    assert (dataset.data_root, dataset.ann_file) == ("/mnt/a/coco/", "/mnt/a/coco/a.json")
    dataset = load_config(path, imports=False, resolve=False).train_dataloader.dataset
    assert dataset.data_root == "${env:TID_DATA}/coco/"
