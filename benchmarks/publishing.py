"""The result of a benchmark: printed as JSON, and kept in a file where one is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def publish(result: Any, out: Path | None) -> None:
    """Print a result; also write it to `out`, if given."""
    text = json.dumps(result, indent=1)
    print(text)
    if out is not None:
        out.write_text(text + "\n")
