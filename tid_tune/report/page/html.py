"""Blocks and sections as HTML. Every text is escaped here, and nowhere else."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from html import escape

from tid_tune.report.charts.layout import Key, legend
from tid_tune.report.charts.model import Band, Bars, Chart, Level, Points, Rule
from tid_tune.report.charts.palette import LOOKS, level_dash
from tid_tune.report.charts.to_plotly import figures
from tid_tune.report.page.blocks import (
    Block,
    Cell,
    Code,
    Details,
    ImageBlock,
    Section,
    TableBlock,
    Text,
    Tiles,
)


def section_html(section: Section) -> str:
    """Return a section with its heading."""
    intro = blocks_html([Text(section.intro)]) if section.intro else ""
    anchor = escape(section.anchor)
    return (
        f'<section id="{anchor}" aria-labelledby="{anchor}-title">\n'
        f'<h2 id="{anchor}-title">{escape(section.title)}</h2>\n{intro}'
        f"{blocks_html(section.blocks)}</section>\n"
    )


def blocks_html(blocks: Sequence[Block]) -> str:
    """Return blocks in order."""
    return "".join(_block(block) for block in blocks)


def json_script(value: object, **attributes: str) -> str:
    """Return data in a script element, which no browser runs."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    named = "".join(f' {name}="{escape(found)}"' for name, found in attributes.items())
    # `</script>` inside of it would end it.
    return f'<script type="application/json"{named}>{text.replace("<", chr(92) + "u003c")}</script>'


def _block(block: Block) -> str:
    match block:
        case Text():
            return _text(block)
        case Code():
            return _code(block)
        case Tiles():
            return _tiles(block)
        case TableBlock():
            return _table(block)
        case ImageBlock():
            return _image(block)
        case Chart():
            return _chart(block)
        case Details():
            return _details(block)


def _inline(text: str) -> str:
    """Return a text with what is in backquotes as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escape(text))


def _text(block: Text) -> str:
    parts = [part for part in re.split(r"\n\s*\n", block.text.strip()) if part]
    kind = "" if block.kind == "plain" else f' class="{block.kind}"'
    return "".join(f"<p{kind}>{_inline(part)}</p>\n" for part in parts)


def _code(block: Code) -> str:
    lines = escape(block.text.rstrip("\n"))
    if block.kind == "diff":
        lines = "\n".join(_diff_line(line) for line in lines.split("\n"))
    caption = f"<figcaption>{_inline(block.caption)}</figcaption>" if block.caption else ""
    button = '<button type="button" class="copy" hidden>Copy</button>' if block.copy else ""
    return (
        f'<figure class="code">{caption}{button}'
        f'<pre tabindex="0"><code>{lines}</code></pre></figure>\n'
    )


def _diff_line(line: str) -> str:
    kind = {"+": "added", "-": "removed"}.get(line[:1], "")
    return f'<span class="{kind}">{line}</span>' if kind else line


def _tiles(block: Tiles) -> str:
    tiles = "".join(
        f"<div><dt>{_inline(tile.label)}</dt><dd>{_inline(tile.value)}"
        + (f"<small>{_inline(tile.note)}</small>" if tile.note else "")
        + "</dd></div>"
        for tile in block.tiles
    )
    return f'<dl class="tiles">{tiles}</dl>\n'


def _table(block: TableBlock) -> str:
    head = "".join(
        f'<th scope="col"{_number_class(column.number)}>'
        + (f"<button>{escape(column.title)}</button>" if block.sortable else escape(column.title))
        + "</th>"
        for column in block.columns
    )
    body = "".join(
        f"<tr{' class=marked' if at == block.marked else ''}>"
        + "".join(_cell(cell, c.number) for cell, c in zip(row, block.columns, strict=True))
        + "</tr>\n"
        for at, row in enumerate(block.rows)
    )
    kind = ' class="sortable"' if block.sortable else ""
    return (
        f'<div class="scroll" tabindex="0"><table{kind}>'
        f"<caption><span>{_inline(block.caption)}</span></caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
    )


def _cell(cell: Cell | str, number: bool) -> str:
    found = Cell(cell) if isinstance(cell, str) else cell
    text = escape(found.text)
    if found.to:
        text = f'<a href="#{escape(found.to)}">{text}</a>'
    if found.role:
        first, space, rest = text.partition(" ")
        dot = f'<span class="dot" style="--c:var(--{found.role})"></span>'
        text = f'<span class="whole">{dot}{first}</span>{space}{rest}'
    value = "" if found.value is None else f' data-value="{found.value!r}"'
    return f"<td{_number_class(number)}{value}>{text}</td>"


def _number_class(number: bool) -> str:
    return ' class="n"' if number else ""


def _image(block: ImageBlock) -> str:
    data = base64.b64encode(block.data).decode("ascii")
    width = f' style="max-width:{block.width}px"' if block.width is not None else ""
    return (
        f'<figure class="picture"><img src="data:image/{block.kind};base64,{data}" '
        f'alt="{escape(block.alt)}"{width}>'
        f"<figcaption>{_inline(block.caption)}</figcaption></figure>\n"
    )


def _chart(block: Chart) -> str:
    drawn = figures(block.panels)
    alt = escape(block.alt or f"{block.title}. {block.caption}")
    panels = "".join(
        f'<div class="panel" style="height:{panel.height}px"></div>' for panel in block.panels
    )
    keys = "".join(_key(key) for key in legend(block))
    return (
        f'<figure class="chart{" wide" if block.wide else ""}" data-name="{escape(block.name)}">'
        f"<h3>{escape(block.title)}</h3>"
        f'<div class="panels" role="img" aria-label="{alt}">{panels}</div>'
        + (f'<ul class="legend">{keys}</ul>' if keys else "")
        + f"<figcaption>{_inline(block.caption)}</figcaption>"
        + json_script(drawn)
        + "</figure>\n"
    )


_SYMBOLS = {
    "circle": '<circle cx="12" cy="7" r="4.5"/>',
    "open": '<circle cx="12" cy="7" r="4.5" class="open"/>',
    "small": '<circle cx="12" cy="7" r="2.8"/>',
    "diamond": '<path d="M12 1.5 17.5 7 12 12.5 6.5 7z"/>',
    "cross": '<path d="M8 3l8 8M16 3l-8 8" class="stroke"/>',
    "square": '<path d="M8 3h8v8H8z"/>',
    "star": '<path d="M12 0l1.8 4.8 5 .2-3.9 3.1 1.4 4.9L12 10.2 7.7 13l1.4-4.9L5.200 5l5-.2z"/>',
    "triangle": '<path d="M12 2l5 9H7z"/>',
}
_DASHES = {"solid": "", "dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3", "longdash": "10 4"}


def _key(key: Key) -> str:
    look = LOOKS[key.role]
    match key.mark:
        case Bars():
            drawn = '<path d="M4 2h16v10H4z"/>'
        case Band() as band:
            drawn = f'<path d="M2 2h20v10H2z" opacity="{band.strength}"/>'
        case Points():
            drawn = _SYMBOLS[look.symbol]
        case mark:
            own = level_dash(key.role) if isinstance(mark, Level) else look.dash
            dash = "2 3" if isinstance(mark, Rule) else _DASHES[own]
            drawn = f'<path d="M0 7h24" class="stroke" stroke-dasharray="{dash}"/>'
    value = f" {key.mark.value:.3f}" if isinstance(key.mark, Level) else ""
    svg = f'<svg viewBox="0 0 24 14" width="24" height="14" aria-hidden="true">{drawn}</svg>'
    return f'<li style="--c:var(--{key.role})">{svg}{escape(key.name)}{value}</li>'


def _details(block: Details) -> str:
    anchor = f' id="{escape(block.anchor)}"' if block.anchor else ""
    dot = f'<span class="dot" style="--c:var(--{block.role})"></span>' if block.role else ""
    return (
        f"<details{anchor}><summary>{dot}{_inline(block.summary)}</summary>\n"
        f"{blocks_html(block.blocks)}</details>\n"
    )
