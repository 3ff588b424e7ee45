"""The whole page, and the files that `tid-tune report` writes."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tid_tune import __version__
from tid_tune.files import replacing, write_text
from tid_tune.report.charts.model import Chart
from tid_tune.report.page.blocks import Block, Details, ImageBlock, Section
from tid_tune.report.page.bundle import colours, packed_plotly, style, text_of
from tid_tune.report.page.html import json_script, section_html
from tid_tune.report.page.sections import SECTIONS
from tid_tune.report.page.study import Study

NO_SCRIPT = (
    "This browser runs no script, so the charts of this report are missing. Its texts and tables "
    "are complete."
)


def sections_of(study: Study) -> list[Section]:
    """Return the sections that have something to show."""
    return [found for make in SECTIONS if (found := make(study)) is not None]


@dataclass(frozen=True)
class Heading:
    """What a page is called, a line on it, and what it was made from."""

    title: str
    line: str
    made_from: str


def page(study: Study, sections: Sequence[Section], reload: float | None = None) -> str:
    """Return the report as one HTML document; see `document`."""
    heading = Heading(study.spec.name, _head(study), study.run.shown())
    return document(heading, sections, f"{study.spec.name}: report of the search", reload)


def document(
    heading: Heading,
    sections: Sequence[Section],
    title: str | None = None,
    reload: float | None = None,
) -> str:
    """Return sections as one HTML document.

    Args:
        heading: of the page.
        sections: what is in it.
        title: of the window; None: that of the page.
        reload: seconds after which an open page reads the file again; None: it does not.
    """
    links = "".join(
        f'<li><a href="#{escape(s.anchor)}">{escape(s.title)}</a></li>' for s in sections
    )
    options = {"colours": colours(), "reload": reload}
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title or heading.title)}</title>
<link rel="icon" href="data:,">
<style>
{style()}
</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<header>
<h1>{escape(heading.title)}</h1>
<p>{escape(heading.line)}</p>
<nav aria-label="Sections"><ul>{links}</ul></nav>
</header>
<noscript><p class="warning">{NO_SCRIPT}</p></noscript>
<p class="warning" id="trouble" role="alert" hidden></p>
<main id="main">
{"".join(map(section_html, sections))}</main>
<footer><p>{escape(f"Made by tid-tune {__version__} from {heading.made_from}.")}</p></footer>
{json_script(options, id="options")}
<script type="text/plain" id="plotly">{packed_plotly()}</script>
<script>
{text_of("script.js")}
</script>
</body>
</html>
"""


def write_page(study: Study, path: Path, reload: float | None = None) -> list[Section]:
    """Write the report as one file and return its sections; see `page`.

    Raises:
        OSError: it cannot be written.
    """
    sections = sections_of(study)
    write_text(path, page(study, sections, reload))
    return sections


FORMER = "best_so_far.png"
"""A chart of former versions in the run folder itself: nothing writes it again, so it is stale."""


def write_report(study: Study, reload: float | None = None) -> None:
    """Write the report into the run folder, and its charts as pictures unless it is to be reloaded.

    Raises:
        OSError: a file cannot be written.
        StoreError: the store of the run folder does not answer.
    """
    run = study.run
    sections = write_page(study, run.report, reload)
    run.files.keep(run.report.name)
    if reload is not None:
        return
    run.files.delete(FORMER)
    from tid_tune.report.charts.to_png import write_png  # loads matplotlib

    for chart in charts_of(sections):
        with replacing(run.pictures / f"{chart.name}.png") as partial:
            write_png(chart, partial)
        run.files.keep(f"{run.pictures.name}/{chart.name}.png")
    for picture in _named_pictures(sections):
        name = f"{picture.name}.{picture.kind}"
        with replacing(run.pictures / name) as partial:
            partial.write_bytes(picture.data)
        run.files.keep(f"{run.pictures.name}/{name}")


def charts_of(sections: Iterable[Section]) -> Iterator[Chart]:
    """Yield the charts of a page, except for those of single trials."""
    for section in sections:
        yield from _charts(section.blocks)


def _charts(blocks: Iterable[Block]) -> Iterator[Chart]:
    for block in blocks:
        if isinstance(block, Chart):
            yield block
        elif isinstance(block, Details) and not block.anchor:
            yield from _charts(block.blocks)


def _named_pictures(sections: Iterable[Section]) -> Iterator[ImageBlock]:
    for section in sections:
        yield from (b for b in section.blocks if isinstance(b, ImageBlock) and b.name)


def _head(study: Study) -> str:
    sessions = study.state.sessions
    now = sessions[-1].last if sessions else 0.0
    day = datetime.datetime.fromtimestamp(now).strftime("%Y-%m-%d %H:%M")
    end = "" if study.standing.endswith(("?", "!", ".")) else "."
    return f"{study.standing}{end} Trials, values and costs until {day}."
