"""Checkpoints: OpenMMLab's own load safely, anything else says what it is."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import load_state, load_weights, save_state


def test_what_is_saved_is_loaded_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.pth"
    save_state({"state_dict": {"w": torch.arange(3.0)}, "meta": {"classes": ("a", "b")}}, path)
    loaded = load_state(path)
    assert loaded["state_dict"]["w"].tolist() == [0, 1, 2]
    assert loaded["meta"] == {"classes": ("a", "b")}
    assert os.listdir(path.parent) == ["a.pth"]


def test_a_checkpoint_with_histories_and_numpy_values_loads(tmp_path: Path) -> None:
    from mmengine.logging import HistoryBuffer

    history = HistoryBuffer()
    history.update(1.5)
    runtime = {
        "lr": np.float64(0.1),
        "palette": np.arange(6).reshape(2, 3),
        "names": np.array(["a"]),
    }
    torch.save(
        {
            "state_dict": {"w": torch.ones(2)},
            "message_hub": {"log_scalars": {"train/loss": history}, "runtime_info": runtime},
            "meta": {"epoch": np.int64(12), "dataset_meta": {"CLASSES": ("cat",)}},
        },
        tmp_path / "published.pth",
    )
    loaded: Any = load_state(tmp_path / "published.pth")
    assert loaded["state_dict"]["w"].tolist() == [1, 1]
    assert loaded["meta"]["epoch"] == 12
    assert loaded["message_hub"]["runtime_info"]["palette"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_arrays_pickled_by_numpy_1_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numpy 1 wrote `numpy.core`, which is what most published checkpoints name."""
    path = tmp_path / "old.pth"
    torch.save({"state_dict": {"w": torch.ones(1)}, "meta": {"v": np.arange(3)}}, path)
    raw = path.read_bytes()
    assert b"numpy._core.multiarray" in raw
    from zipfile import ZipFile

    old = tmp_path / "numpy1.pth"
    with ZipFile(path) as source, ZipFile(old, "w") as target:
        for name in source.namelist():
            body = source.read(name).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            target.writestr(name, body)
    loaded: Any = load_state(old)
    assert loaded["meta"]["v"].tolist() == [0, 1, 2]


class Malicious:
    def __init__(self, function: Callable[..., object], *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Any, ...]]:
        return self.call


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    bad = Malicious(os.mkdir, str(marker))
    torch.save({"state_dict": {"w": torch.ones(1)}, "meta": bad}, tmp_path / "bad.pth")
    with pytest.raises(ConfigError, match=r"bad\.pth cannot be loaded safely.*mkdir") as caught:
        load_state(tmp_path / "bad.pth")
    assert "weights_only" not in str(caught.value)  # torch's text tells how to run the code
    assert not marker.exists()


def test_the_getattr_of_log_histories_reaches_nothing(tmp_path: Path) -> None:
    bad = Malicious(getattr, "text", "upper")
    torch.save({"state_dict": {"w": torch.ones(1)}, "meta": bad}, tmp_path / "bad.pth")
    assert load_state(tmp_path / "bad.pth")["meta"] is None


def test_weights_lose_the_prefix_of_data_parallel(tmp_path: Path) -> None:
    save_state(
        {"state_dict": {"module.a": torch.ones(1), "module.b": torch.ones(1)}}, tmp_path / "x"
    )
    assert sorted(load_weights(tmp_path / "x")) == ["a", "b"]


def test_a_bare_mapping_of_tensors_is_a_checkpoint_too(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "bare.pth")
    assert load_weights(tmp_path / "bare.pth")["a"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>404</html>", "web page"),
        (b"not a checkpoint at all", "checkpoint"),
        (b"PK\x03\x04 truncated zip", "damaged"),
    ],
)
def test_what_is_no_checkpoint_is_said_plainly(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "teacher.pth"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        load_state(path)
    assert "teacher.pth" in str(caught.value)


def test_a_truncated_checkpoint_is_said_to_be_damaged(tmp_path: Path) -> None:
    save_state({"state_dict": {"w": torch.zeros(10_000)}}, tmp_path / "whole.pth")
    (tmp_path / "half.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:20_000])
    with pytest.raises(ConfigError, match="damaged"):
        load_state(tmp_path / "half.pth")


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no checkpoint file .*gone\.pth"):
        load_state(tmp_path / "gone.pth")


def test_a_file_without_weights_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "odd.pth")
    with pytest.raises(ConfigError, match="no model weights"):
        load_state(tmp_path / "odd.pth")


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "c.pth"
    save_state({"state_dict": {"w": torch.ones(1)}}, path)
    with pytest.raises(Exception, match="pickle"):
        save_state({"state_dict": {"w": torch.zeros(1)}, "bad": lambda: 0}, path)
    assert load_weights(path)["w"].item() == 1
    assert os.listdir(tmp_path) == ["c.pth"]


def test_a_file_without_room_is_the_error_of_its_disk_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk; torch names a line of its source."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            save_state({"state_dict": {"w": torch.zeros(100_000)}}, tmp_path / "a.pth")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []
