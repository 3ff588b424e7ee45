"""The report in a browser: it draws its charts, asks for nothing, and fits where it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.chromium import Page, browsing, chromium
from support.studies import write_study

from tid_tune.report.page.assemble import write_page
from tid_tune.report.page.study import Study
from tid_tune.results.run_folder import RunFolder

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium here")

OUTSIDE = """
[...document.querySelectorAll('figure.chart .panel')].flatMap(panel => {
  const room = (panel.querySelector('.main-svg') ?? panel).getBoundingClientRect();
  return [...panel.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.width && (box.left < room.left - 1 || box.right > room.right + 1 ||
                         box.top < room.top - 1 || box.bottom > room.bottom + 1);
  }).map(text => panel.closest('figure').dataset.name + ': ' + text.textContent);
})
"""
"""The labels that are cut off at the edge of their chart."""
OVERLAPPING = """
[...document.querySelectorAll('figure.chart .panel')].flatMap(panel =>
  ['.xtick text', '.ytick text', '.annotation text'].flatMap(kind => {
    const found = [...panel.querySelectorAll(kind)].map(t => [t, t.getBoundingClientRect()]);
    return found.flatMap(([a, p], at) => found.slice(at + 1).filter(([b, q]) =>
      a.getAttribute('transform')?.includes('rotate(0') !== false &&
      p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 2 && q.top < p.bottom - 2
    ).map(([b]) => panel.closest('figure').dataset.name + ': ' + a.textContent + ' on ' +
                   b.textContent));
  }))
"""
"""Ticks of an axis whose labels lie on each other; those at an angle are left out."""
EMPTY = """
[...document.querySelectorAll('figure.chart')].filter(figure =>
  !figure.closest('details:not([open])') &&
  [...figure.querySelectorAll('.panel')].some(panel =>
    !panel.querySelector('.trace path, .hm image')))
.map(figure => figure.dataset.name)
"""
"""Charts that show nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browsing() as found:
        yield found


def written(name: str, folder: Path, reload: float | None = None) -> str:
    """Return the address of the report of a kind of search."""
    run = RunFolder(folder / name)
    if not run.exists:
        write_study(name, folder)
    path = folder / f"{name}.html"
    write_page(Study.of(run), path, reload)
    return path.as_uri()


def calm(page: Page, address: str) -> None:
    """Check that no page has reported an error, or has asked for anything but itself."""
    assert page.errors == []
    folder = address.rpartition("/")[0]
    asked = {url for url in page.requests if not url.startswith("data:")}
    assert address.partition("#")[0] in asked
    assert all(url.startswith(folder) and url.endswith(".html") for url in asked)


@pytest.mark.parametrize("name", ["finished", "running", "failed", "two", "methods"])
def test_the_charts_of_any_search_are_drawn(name: str, folder: Path, page: Page) -> None:
    address = written(name, folder)
    for width in (1400, 400):
        page.open(address, width=width, dark=width == 400)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(EMPTY) == []
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate(OVERLAPPING) == []
    charts = page.evaluate("document.querySelectorAll('figure.chart').length")
    assert (charts == 0) == (name == "failed")
    calm(page, address)


def background(page: Page) -> Any:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_a_dark_page_has_dark_charts_and_is_printed_light(folder: Path, page: Page) -> None:
    address = written("finished", folder)
    page.open(address, width=1000, dark=True)
    page.evaluate(
        "window.themes = []; addEventListener('beforeprint', () =>"
        " themes.push(document.querySelector('figure.chart').dataset.drawn))"
    )
    assert background(page) == "rgb(22, 29, 36)"
    theme = "[...new Set([...document.querySelectorAll('[data-drawn=dark]')].map(f => f.tagName))]"
    assert page.evaluate(theme) == ["FIGURE"]
    page.pdf(folder / "printed.pdf")
    assert (folder / "printed.pdf").read_bytes().startswith(b"%PDF")
    assert page.evaluate("themes") == ["light"]
    page.wait("document.querySelector('figure.chart').dataset.drawn === 'dark'")
    # A table that is wider than the paper would make everything on it smaller.
    names = "document.querySelectorAll('#trials .sortable th button')"
    page.evaluate(f"{names}.forEach(name => (name.textContent = 'a_long_name_of_a_parameter'))")
    page.call("Emulation.setEmulatedMedia", media="print", features=[])
    page.resize(720)
    page.wait("innerWidth === 720")
    assert page.evaluate("document.querySelector('#trials table').offsetWidth") <= 720


def test_a_click_shows_the_trial_and_a_column_sorts(folder: Path, page: Page) -> None:
    address = written("finished", folder)
    page.open(f"{address}#t0004", width=1200)
    page.wait("t0004.open && t0004.querySelector('.main-svg')")
    page.evaluate(
        "document.querySelector('[data-name=best_so_far] .panel')"
        ".emit('plotly_click', {points: [{customdata: 't0003'}]})"
    )
    page.wait("t0003.open && t0003.querySelector('.main-svg')")
    rows = "[...document.querySelectorAll('#trials > .scroll tbody tr')]"
    column = f"{rows}.map(row => row.cells[1].textContent)"
    assert page.evaluate(column) != sorted(page.evaluate(column))
    button = "document.querySelectorAll('#trials > .scroll thead button')[1]"
    page.evaluate(f"{button}.click()")
    assert page.evaluate(column) == sorted(page.evaluate(column), reverse=True)
    page.evaluate(f"{button}.click()")
    assert page.evaluate(column) == sorted(page.evaluate(column))
    calm(page, address)


def test_a_watched_page_reads_the_file_again_and_stays_where_it_is(
    folder: Path, page: Page
) -> None:
    address = written("running", folder, reload=1)
    page.open(address, width=1200)
    page.evaluate("window.before = true, t0003.open = true, scrollTo(0, 700)")
    page.wait("!('before' in window) && document.body && 'drawn' in document.body.dataset")
    assert page.evaluate("[scrollY, t0003.open]") == [700, True]


def test_a_browser_that_cannot_unpack_the_charts_says_so(folder: Path, page: Page) -> None:
    address = written("two", folder)
    script = "delete window.DecompressionStream"
    page.open(address, width=1200, before=script)
    assert "cannot unpack the charts" in page.evaluate("trouble.textContent")
    assert page.evaluate("getComputedStyle(trouble).display") != "none"
    page.errors.clear()
