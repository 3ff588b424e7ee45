"""The tables of the methods' options in a documentation page, made from the settings.

    python -m tid_tune.distill.tables docs/methods.md

writes the table of every method between `<!-- options: NAME -->` and `<!-- end -->` anew; `common`
is the options that all methods have. It works for methods of other packages and their pages too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from tid_tune.distill.registry import METHODS
from tid_tune.distill.settings import Option, Settings

COMMON = "common"
_BLOCK = re.compile(r"(<!-- options: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def documented(method: str) -> Mapping[str, Option]:
    """Return the options in a method's table: common ones only where the default is its own."""
    common = Settings.options()
    if method == COMMON:
        return common
    return {
        key: option
        for key, option in METHODS.get(method).options().items()
        if key not in common or option.default != common[key].default
    }


def table(method: str) -> str:
    """Return the Markdown table of a method's options.

    Raises:
        UsageError: there is no such method.
    """
    rows = ["| option | default | allowed | meaning |", "|---|---|---|---|"]
    for key, option in documented(method).items():
        default = "null" if option.default is None else option.default
        shown = f"{default:g}" if isinstance(default, float) else default
        rows.append(f"| `{key}` | {shown} | {option.allowed} | {option.doc} |")
    return "\n".join(rows) + "\n"


def updated(page: str) -> str:
    """Return the text of a page with every table made anew."""
    return _BLOCK.sub(lambda found: found[1] + table(found[2]) + found[3], page)


def main(pages: list[str]) -> None:
    """Update the pages, in place."""
    for name in pages:
        path = Path(name)
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
