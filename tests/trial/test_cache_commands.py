"""`tid-tune cache`: fill, show, verify and remove."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tid_tune.cli import app
from tid_tune.distill.cache import store as store_module
from tid_tune.distill.cache.folders import CacheFolder
from tid_tune.distill.cache.store import Store
from tid_tune.errors import ConfigError, UsageError
from tid_tune.openmmlab.checkpoints import load_state, save_state
from tid_tune.searchfile.model import Interval
from tid_tune.trial.report import TEACHER_CACHED
from tid_tune.trial.trial import Trial

DISTILLER = """
model = dict(
    type='Distiller', student=_detector,
    teacher=dict(config='{folder}/teacher.py', checkpoint='{folder}/teacher.pth',
                 cache=dict(dir='{folder}/cache', gib={gib})),
    distillation=dict(method='tid'))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
"""


@pytest.fixture(autouse=True)
def closed_stores() -> Iterator[None]:
    yield
    close_all()


def close_all() -> None:
    for store in list(store_module._OPEN.values()):
        store.close()


@pytest.fixture
def config(shapes_config: Callable[..., Path], tmp_path: Path) -> Path:
    """A student with flips, and a teacher of random weights."""
    teacher = shapes_config(name="teacher.py", width=8)
    with training(teacher, tmp_path) as trial:
        trial.save(tmp_path / "teacher.pth")
    return shapes_config(DISTILLER.format(folder=tmp_path, gib=1), flip=0.5)


def training(config: Path, tmp_path: Path) -> Trial:
    return Trial(
        config,
        {},
        seed=3,
        epochs=1,
        report_every=Interval(),
        work_dir=tmp_path / "work",
        device="cpu",
    )


def run(*words: object, code: int = 0) -> str:
    """The output of a command, as in a process of its own."""
    result = CliRunner().invoke(app, ["cache", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    close_all()
    return result.output


def test_build_makes_all_views_once_and_a_training_only_hits(config: Path, tmp_path: Path) -> None:
    output = run("build", config, "--device", "cpu")
    assert "20 new image views, 20 in all" in output
    assert "0 new image views, 20 in all" in run("build", config, "--device", "cpu")
    with training(config, tmp_path) as trial:
        assert trial.step().metrics[TEACHER_CACHED] == 1
    close_all()
    output = run("info", "--dir", tmp_path / "cache")
    for part in ("teacher.pth", "20 image views", "stored: float16", "hits 30, misses 20"):
        assert part in output


def test_verify_finds_entries_of_other_numbers(config: Path, tmp_path: Path) -> None:
    run("build", config, "--device", "cpu")
    assert "6 image views compared" in run("verify", config, "--images", 5, "--device", "cpu")
    (cache,) = CacheFolder.all_in(tmp_path / "cache")
    state = load_state(tmp_path / "teacher.pth")
    weights = {
        k: v * 1.01 if v.dtype == torch.float32 else v for k, v in state["state_dict"].items()
    }
    save_state({**state, "state_dict": weights}, tmp_path / "teacher.pth")
    assert "no entry" in run("verify", config, "--device", "cpu", code=1)
    (other,) = (c for c in CacheFolder.all_in(tmp_path / "cache") if c.path != cache.path)
    (cache.path / "data.mdb").replace(other.path / "data.mdb")  # entries under a wrong name
    output = run("verify", config, "--device", "cpu", code=1)
    assert "cache clear" in output


def test_clear_names_what_it_removes_and_leaves_what_is_in_use(tmp_path: Path) -> None:
    used = Store(CacheFolder(tmp_path / "aa"), 2**20, {})
    Store(CacheFolder(tmp_path / "bb"), 2**20, {}).close()
    listed = run("clear", "--dir", tmp_path)
    assert "aa" in listed
    assert "bb" in listed
    assert "--yes" in listed
    assert len(CacheFolder.all_in(tmp_path)) == 2
    assert "in use" in run("clear", "--dir", tmp_path, "--teacher", "a", "--yes")
    assert "removed" in run("clear", "--dir", tmp_path, "--yes")
    assert [item.path.name for item in CacheFolder.all_in(tmp_path)] == ["aa"]
    used.close()
    assert "no cache whose name begins with c" in run("clear", "--dir", tmp_path, "--teacher", "c")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", gib=1", ", gib=1e-6", "cache.gib"),
        ("dict(type='RandomFlip', prob=0.5)", "dict(type='Mosaic')", "Mosaic"),
        ("cache=dict(", "cache=None and dict(", "section `cache`"),
        ("gib=1", "gb=1", "'gib'"),
        ("gib=1", "gib=-1", "gib"),
    ],
)
def test_a_cache_that_cannot_be_used_is_an_error_with_the_reason(
    config: Path, old: str, new: str, message: str
) -> None:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    with pytest.raises(Exception, match=message):
        run("build", config, "--device", "cpu")


def test_info_of_nothing(tmp_path: Path) -> None:
    assert "no cache" in run("info", "--dir", tmp_path / "nothing")


def test_a_config_without_a_cache_is_refused_before_mmdet_is_imported(
    shapes_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tid_tune.cli.cache.step", lambda what: pytest.fail(what))
    with pytest.raises(ConfigError, match="has no cache of a teacher's work"):
        run("build", shapes_config(), "--device", "cpu")


def test_values_are_set_in_search_spaces_only(config: Path) -> None:
    with pytest.raises(UsageError, match="--set is for search spaces"):
        run("build", config, "--set", "cache.gib=1")
