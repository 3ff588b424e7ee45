"""Values that are built once for the same content, and go when their place is needed."""

from __future__ import annotations

import weakref
from pathlib import Path

import pytest

from tid_tune import warm


class Thing:
    pass


def test_the_same_content_is_built_once() -> None:
    store: warm.Store[Thing] = warm.Store(limit=2)
    first = store.get(lambda: "a", Thing)
    assert store.get(lambda: "a", Thing) is first
    assert store.get(lambda: "b", Thing) is not first


def test_the_value_asked_for_longest_ago_is_let_go_before_another_is_built() -> None:
    store: warm.Store[Thing] = warm.Store(limit=2)
    kept = {
        "a": weakref.ref(store.get(lambda: "a", Thing)),
        "b": weakref.ref(store.get(lambda: "b", Thing)),
    }
    store.get(lambda: "a", Thing)
    alive: list[bool] = []

    def build() -> Thing:
        alive.extend(kept[name]() is not None for name in "ab")
        return Thing()

    store.get(lambda: "c", build)
    assert alive == [True, False]


def test_nothing_is_kept_of_unknown_content_or_of_content_that_changes_meanwhile() -> None:
    store: warm.Store[Thing] = warm.Store(limit=2)
    first = store.get(lambda: None, Thing)
    assert store.get(lambda: None, Thing) is not first
    keys = iter(["old", "new"])
    second = store.get(lambda: next(keys), Thing)
    assert store.get(lambda: "old", Thing) is not second


def test_a_value_that_is_no_longer_valid_is_built_again() -> None:
    store: warm.Store[list[int]] = warm.Store(limit=2)
    first = store.get(lambda: "a", list, is_valid=lambda value: not value)
    first.append(1)
    assert store.get(lambda: "a", list, is_valid=lambda value: not value) == []


def test_a_failed_build_leaves_nothing() -> None:
    store: warm.Store[Thing] = warm.Store(limit=1)

    def fail() -> Thing:
        raise OSError

    with pytest.raises(OSError):
        store.get(lambda: "a", fail)
    assert isinstance(store.get(lambda: "a", Thing), Thing)


def test_clear_lets_all_values_go() -> None:
    store: warm.Store[Thing] = warm.Store(limit=1)
    kept = weakref.ref(store.get(lambda: "a", Thing))
    warm.clear()
    assert kept() is None


def test_a_content_key_is_of_plain_data_only() -> None:
    assert warm.content_key({"a": (1, 2), "b": None}) == warm.content_key({"b": None, "a": [1, 2]})
    assert warm.content_key({"a": 1}) != warm.content_key({"a": True})
    assert warm.content_key({"a": Thing()}) is None


def test_a_file_key_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert warm.file_key(path) is None
    path.write_text("one")
    first = warm.file_key(path)
    path.write_text("another")
    assert first is not None
    assert warm.file_key(path) != first
