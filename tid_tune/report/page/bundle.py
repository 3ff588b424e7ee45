"""What the page carries along: plotly.js, packed, the style and the script."""

from __future__ import annotations

import base64
import functools
import gzip
import importlib.resources
import importlib.util
from pathlib import Path

from tid_tune.report.charts.palette import LOOKS


@functools.cache
def packed_plotly() -> str:
    """Return plotly.js of the plotly package: gzip, then base64. A third of its size."""
    # Not imported: that takes longer than packing.
    found = importlib.util.find_spec("plotly")
    assert found is not None, "plotly is a dependency of this package"
    assert found.origin is not None
    script = Path(found.origin).parent / "package_data" / "plotly.min.js"
    return base64.b64encode(gzip.compress(script.read_bytes(), mtime=0)).decode("ascii")


@functools.cache
def text_of(name: str) -> str:
    """Return a text file of this package, such as `style.css`."""
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def colours() -> dict[str, dict[str, str]]:
    """Return the colour of each role, by theme."""
    return {
        "light": {role: look.light for role, look in LOOKS.items()},
        "dark": {role: look.dark for role, look in LOOKS.items()},
    }


def style() -> str:
    """Return the style sheet, with the colours of the palette as variables."""
    light, dark = (
        "".join(f"--{role}:{colour};" for role, colour in found.items())
        for found in colours().values()
    )
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{text_of('style.css')}"
    )
