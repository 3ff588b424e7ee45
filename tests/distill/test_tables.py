"""The documentation's tables of options are made from the settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tid_tune.distill.registry import METHODS
from tid_tune.distill.tables import COMMON, documented, main, updated
from tid_tune.errors import UsageError

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"
COMMAND = "python -m tid_tune.distill.tables docs/methods.md"


def test_the_page_is_as_the_command_writes_it() -> None:
    page = PAGE.read_text()
    assert updated(page) == page, f"run: {COMMAND}"


def test_every_method_has_a_section_and_a_table_of_its_options() -> None:
    page = PAGE.read_text()
    with_options = {name for name in METHODS.names() if documented(name)}
    assert set(re.findall(r"<!-- options: (\w+) -->", page)) == with_options | {COMMON}
    assert set(re.findall(r"^## (\w+)$", page, re.MULTILINE)) == set(METHODS.names()) - {"none"}


def test_the_command_replaces_what_is_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- options: pkd -->\nold\n<!-- end -->\nafter\n")
    main([str(page)])
    lines = page.read_text().splitlines()
    assert lines[:2] == ["before", "<!-- options: pkd -->"]
    assert lines[2:4] == ["| option | default | allowed | meaning |", "|---|---|---|---|"]
    assert lines[4].startswith("| `loss_weight` | 6 | a number >= 0 | Weight of ")
    assert lines[5].startswith("| `adapt` | auto | one of auto, conv | ")
    assert lines[6:] == ["<!-- end -->", "after"]
    text = page.read_text()
    main([str(page)])
    assert page.read_text() == text


def test_common_options_are_listed_once_unless_their_default_differs() -> None:
    assert "warmup_iters" in documented(COMMON)
    assert "warmup_iters" not in documented("tid")
    assert documented("tid")["loss_weight"].default == 3.0
    assert "loss_weight" not in documented("fgd")


def test_a_table_of_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="'tid'"):
        updated("<!-- options: tidd -->\n<!-- end -->")
