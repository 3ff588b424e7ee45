"""The table of docs/cluster.md: `python tests/faults/table.py` makes it from what was measured."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cluster.md"
RESULT = ROOT / "benchmarks" / "results" / "faults.json"
HEAD = "| fault | reported epochs lost | trained again | seconds | what the user saw |"
RULE = "|---|---|---|---|---|"


def table(result: dict[str, Any]) -> list[str]:
    """Return the lines of the table."""
    return [HEAD, RULE, *map(_line, result["rows"])]


def _line(row: dict[str, Any]) -> str:
    seconds = "" if row["seconds"] is None else f"{row['seconds']:.0f}"
    cells = (row["fault"], row["lost"], row["repeated"], seconds, row["seen"])
    return f"| {' | '.join(map(str, cells))} |"


def made(page: str, result: dict[str, Any]) -> str:
    """Return a page with the table of a result, and with what the measuring took."""
    lines = page.splitlines()
    begin = lines.index(HEAD)
    end = begin + lines[begin:].index("")
    text = "\n".join([*lines[:begin], *table(result), *lines[end:]]) + "\n"
    took = f"took {result['seconds'] / 60:.0f} minutes on {result['cpus']} CPUs"
    return re.sub(r"took \d+ minutes on \d+ CPUs", took, text)


if __name__ == "__main__":
    PAGE.write_text(made(PAGE.read_text(), json.loads(RESULT.read_text())))
