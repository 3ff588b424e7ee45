"""Dotted paths: what is written is what is read, and keys with dots in them can be named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tid_tune import dotted


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("a", ["a"]),
        ("a.0.b", ["a", "0", "b"]),
        ("a.'b.c'.d", ["a", "b.c", "d"]),
        ('a."b.c"', ["a", "b.c"]),
        ("'b.c'.d", ["b.c", "d"]),
        ("a.it's.b", ["a", "it's", "b"]),
    ],
)
def test_a_path_is_split_into_its_keys(path: str, keys: list[str]) -> None:
    assert dotted.split(path) == keys
    assert dotted.PATH.fullmatch(path)


@given(st.lists(st.text(alphabet="ab.' =", min_size=1), min_size=1))
def test_joined_keys_are_split_again(keys: list[str]) -> None:
    assert dotted.split(dotted.join(keys)) == keys
    assert dotted.PATH.fullmatch(dotted.join(keys))


@pytest.mark.parametrize("path", ["", "a..b", ".a", "a.", "a b", "a=b", "'a'b.c", "a.'b.c"])
def test_what_is_no_path_is_not_matched(path: str) -> None:
    assert not dotted.PATH.fullmatch(path)
    dotted.split(path)


def test_the_last_key_and_the_parent_keep_their_quotes() -> None:
    assert dotted.last("a.b.'c.d'") == "'c.d'"
    assert dotted.parent("a.'b.c'.d") == "a.'b.c'"
    assert dotted.parent("a") == ""
