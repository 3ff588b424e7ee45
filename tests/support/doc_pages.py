"""The code blocks of README and docs/, for the tests in tests/docs.

A block that no test can run has the reason on the line before it: `<!-- not run: a reason -->`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
LANGUAGES = {"bash", "python", "yaml", "text"}
"""Those of ordinary pages; `{...}` blocks are directives of the site's builder."""
_REASON = re.compile(r"<!-- not run: (?P<reason>.+) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    not_run: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[list[str]]:
        """Return the command lines of a bash block as words, without comments."""
        text = self.text.replace("\\\n", " ")
        lines = (shlex.split(line, comments=True) for line in text.splitlines())
        return [words for words in lines if words]


def blocks(language: str, page: str | None = None) -> list[Block]:
    """Return the blocks in one language, of one page or of all."""
    pages = PAGES if page is None else [page]
    return [block for name in pages for block in _read(name) if block.language == language]


def languages() -> dict[str, str]:
    """Return the language of each block of ordinary pages, by the place of the block."""
    return {str(block): block.language for name in PAGES for block in _read(name)}


def _read(page: str) -> list[Block]:
    found: list[Block] = []
    reason: str | None = None
    for token in MarkdownIt().enable("table").parse((ROOT / page).read_text(encoding="utf-8")):
        if token.type in ("fence", "code_block") and not token.info.startswith("{"):
            assert token.map is not None
            found.append(Block(page, token.map[0] + 1, token.info, token.content, reason))
        comment = _REASON.search(token.content) if token.type == "html_block" else None
        reason = comment["reason"] if comment else None
    return found
