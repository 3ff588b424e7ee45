"""The section `cache`: its options, its checks, and the way to a trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.spec_samples import ONE, with_line

from tid_tune.distill.cache.settings import CacheSettings, cache_edits
from tid_tune.errors import SpecError
from tid_tune.openmmlab.configs import get_value, load_config
from tid_tune.searchfile import SearchSpec, load
from tid_tune.searchfile.dump import dump

Load = Callable[..., SearchSpec]


def edit(file: str, old: str, new: str) -> None:
    content = Path(file).read_text()
    assert old in content
    Path(file).write_text(content.replace(old, new))


def test_it_reaches_the_config_of_a_trial_as_an_edit(read: Load) -> None:
    spec = read(with_line("cache: {gib: 200, dir: /scratch/teacher}"))
    assert spec.cache == CacheSettings(gib=200, dir="/scratch/teacher")
    config = load_config(spec.trial, cache_edits(spec.cache), imports=False)
    found = get_value(config, "model.teacher.cache")
    assert found == {"gib": 200, "dir": "/scratch/teacher", "precision": "float16", "store": "full"}
    assert CacheSettings.of_config(found) == spec.cache


def test_it_is_off_by_default_and_an_empty_map_takes_the_defaults(read: Load) -> None:
    assert read(ONE).cache is None
    assert cache_edits(None) == {}
    assert read(with_line("cache: {}")).cache == CacheSettings()


def test_it_survives_dump_and_ledger(read: Load) -> None:
    spec = read(with_line("cache: {precision: float32}"))
    Path("again.yaml").write_text(dump(spec))
    assert load("again.yaml").cache == spec.cache
    assert SearchSpec.recorded(spec.model_dump(mode="json")).cache == spec.cache


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("cache: {gb: 200}", ("cache.gb", "'gib'")),
        ("cache: {gib: 0}", ("cache.gib", "greater than 0")),
        ("cache: {precision: float8}", ("cache.precision", "'float16'")),
        ("cache: true", ("cache", "expected a map")),
    ],
)
def test_wrong_options_are_named(read: Load, line: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(SpecError) as caught:
        read(with_line(line))
    assert all(part in str(caught.value) for part in parts)


def test_a_cache_of_the_config_is_checked_and_not_given_twice(read: Load) -> None:
    edit("config.py", "checkpoint='teacher.pth'", "checkpoint='teacher.pth', cache=dict(gb=1)")
    with pytest.raises(SpecError, match=r"model\.teacher\.cache\.gb.*'gib'"):
        read(ONE)
    edit("config.py", "gb=1", "gib=1")
    assert read(ONE).cache is None
    with pytest.raises(SpecError, match=r"cache.*model\.teacher\.cache.*keep one"):
        read(with_line("cache: {gib: 1}"))


def test_without_a_teacher_it_has_no_effect(read: Load) -> None:
    edit("config.py", "type='Distiller'", "type='GFL'")
    with pytest.raises(SpecError, match=r"cache: has no effect.*no Distiller"):
        read(with_line("cache: {gib: 1}"))
