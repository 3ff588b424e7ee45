"""A report page taken apart: its sections, figures, tables and the data of its charts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "img", "br", "path", "circle"}


@dataclass
class Table:
    """A table as texts, with what its cells are sorted by."""

    caption: str = ""
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    values: list[list[float | None]] = field(default_factory=list)

    def column(self, name: str) -> list[str]:
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def records(self) -> list[dict[str, str]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class ReportPage(HTMLParser):
    """The parts of one page. Its charts by name: a figure of plotly for each panel."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.tiles: dict[str, tuple[str, str]] = {}
        self.tables: list[Table] = []
        self.charts: dict[str, list[dict[str, Any]]] = {}
        self.legends: dict[str, list[str]] = {}
        self.codes: list[str] = []
        self.paragraphs: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images_without_alt = 0
        self._open: list[tuple[str, dict[str, str]]] = []
        self._chart = ""
        self._tile = ["", "", ""]
        self.feed(text)
        self.close()

    @property
    def figures(self) -> dict[str, list[dict[str, Any]]]:
        """The charts that are not those of single trials."""
        return {n: panels for n, panels in self.charts.items() if not n.startswith("trial_")}

    def table(self, words: str) -> Table:
        """Return the table with these words in its caption."""
        (found,) = [table for table in self.tables if words in table.caption]
        return found

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if tag not in VOID:
            self._open.append((tag, found))
        if "id" in found:
            self.ids.append(found["id"])
        match tag:
            case "a":
                self.links.append(found.get("href", ""))
            case "img":
                self.images_without_alt += not found.get("alt")
            case "figure" if "data-name" in found:
                self._chart = found["data-name"]
            case "table":
                self.tables.append(Table())
            case "tr" if self._inside("tbody"):
                self.tables[-1].rows.append([])
                self.tables[-1].values.append([])
            case "th":
                self.tables[-1].columns.append("")
            case "td":
                self.tables[-1].rows[-1].append("")
                value = found.get("data-value")
                self.tables[-1].values[-1].append(None if value is None else float(value))
            case "pre":
                self.codes.append("")
            case "p":
                self.paragraphs.append("")
            case "h2":
                self.headings.append("")
            case "dt":
                self._tile = ["", "", ""]
            case "li" if self._inside("figure"):
                self.legends.setdefault(self._chart, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> is closed by </{tag}>"
        if tag == "dd":
            label, value, note = self._tile
            self.tiles[label] = (value, note)

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        last = tags[-1] if tags else ""
        if last == "script":
            if self._inside("figure"):
                self.charts[self._chart] = json.loads(data)
            return
        for tag, part in (("dt", 0), ("dd", 1), ("small", 2)):
            if self._inside(tag) and not (tag == "dd" and self._inside("small")):
                self._tile[part] += data
        if self._inside("caption"):
            self.tables[-1].caption += data
        elif self._inside("th"):
            self.tables[-1].columns[-1] += data
        elif self._inside("td"):
            self.tables[-1].rows[-1][-1] += data
        elif self._inside("pre"):
            self.codes[-1] += data
        elif self._inside("p"):
            self.paragraphs[-1] += data
        elif self._inside("h2"):
            self.headings[-1] += data
        elif self._inside("li") and self._inside("figure"):
            self.legends[self._chart][-1] += data

    def _inside(self, tag: str) -> bool:
        return any(tag == opened for opened, _ in self._open)
