from __future__ import annotations

import pytest

from tid_tune.words import counted, shortened


@pytest.mark.parametrize(
    ("number", "noun", "expected"),
    [
        (0, "trial", "0 trials"),
        (1, "trial", "1 trial"),
        (1.0, "epoch", "1 epoch"),
        (0.5, "epoch", "0.5 epochs"),
        (12.25, "epoch", "12.25 epochs"),
        (1, "class", "1 class"),
        (80, "class", "80 classes"),
        (3, "box", "3 boxes"),
        (2, "search", "2 searches"),
        (1234567, "image", "1234567 images"),
    ],
)
def test_a_count_has_its_noun_in_the_right_form(number: float, noun: str, expected: str) -> None:
    assert counted(number, noun) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("out of memory", "out of memory"),
        ("no file /data/a/long/path/teacher.pth", "no file ..."),
        ("/data/a/long/path/teacher.pth is missing", "/data/a/long/path/teacher.pth ..."),
        ("/data/a/long/path/teacher.pth", "/data/a/long/path/teacher.pth"),
        ("first line\nsecond line", "first line"),
        ("", ""),
    ],
)
def test_a_text_is_cut_between_words(text: str, expected: str) -> None:
    assert shortened(text, 20) == expected
