"""docs/methods.md says about the options what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tid_tune.distill.options import Option, Settings
from tid_tune.distill.settings import METHODS

PAGE = Path(__file__).parents[3] / "docs" / "methods.md"
TABLE = re.compile(r"<!-- options: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)


def documented(method: str) -> dict[str, Option]:
    """The options of a method's table: those of all methods only where the default is its own."""
    if method == "common":
        return Settings.options()
    common = Settings.options()
    options = METHODS[method].options()
    return {key: option for key, option in options.items() if option != common.get(key)}


def table(method: str) -> str:
    rows = ["| option | default | allowed | meaning |", "|---|---|---|---|"]
    for key, option in documented(method).items():
        default = "null" if option.default is None else option.default
        shown = f"{default:g}" if isinstance(default, float) else default
        rows.append(f"| `{key}` | {shown} | {option.allowed} | {option.doc} |")
    return "\n".join(rows) + "\n"


def test_every_method_with_options_has_a_table() -> None:
    assert [name for name, _ in TABLE.findall(PAGE.read_text())] == [
        "common",
        *(name for name in METHODS if name != "none"),
    ]


@pytest.mark.parametrize(("method", "found"), TABLE.findall(PAGE.read_text()))
def test_a_table_says_what_the_settings_say(method: str, found: str) -> None:
    assert found == table(method), f"replace the table of {method} by:\n{table(method)}"


def test_every_method_has_its_section() -> None:
    sections = re.findall(r"^## (\w+)$", PAGE.read_text(), re.MULTILINE)
    assert sections == [name for name in METHODS if name != "none"]
