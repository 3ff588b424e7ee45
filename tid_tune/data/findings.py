"""Collect what is wrong with a dataset: counts, the first examples, and the fix."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from tid_tune.data.rules import RULES, Rule
from tid_tune.errors import DataError

EXAMPLES = 4
"""How many examples of one finding are kept."""


@dataclass
class Finding:
    """One rule broken in one split, `count` times; `examples` are the first few."""

    rule: Rule
    split: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Findings:
    """The findings of one check, in the order of their severity and of the rules."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}

    def add(self, code: str, split: str, example: str) -> None:
        """Count one case of the rule `code` in `split`."""
        self.add_many(code, split, 1, (example,))

    def add_many(self, code: str, split: str, count: int, examples: Iterable[str]) -> None:
        """Count `count` cases; `examples` may be lazy, only the first few are drawn."""
        if not count:
            return
        finding = self._found.setdefault((code, split), Finding(RULES[code], split))
        finding.count += count
        finding.examples += islice(examples, max(0, EXAMPLES - len(finding.examples)))

    def extend(self, other: Findings) -> None:
        """Take over everything `other` holds."""
        for (code, split), finding in other._found.items():
            self.add_many(code, split, finding.count, finding.examples)

    def all(self) -> list[Finding]:
        """Return all findings, errors first."""
        order = list(RULES)
        severities = ("error", "warning", "info")
        return sorted(
            self._found.values(),
            key=lambda found: (severities.index(found.rule.severity), order.index(found.rule.code)),
        )

    def count(self, severity: str) -> int:
        """Return how many findings have this severity."""
        return sum(found.rule.severity == severity for found in self._found.values())

    def raise_first(self, where: str) -> None:
        """Raise the first error, if any, as a DataError about `where`."""
        errors = (found for found in self.all() if found.rule.severity == "error")
        found = next(errors, None)
        if found is not None:
            raise DataError(
                f"{where}: {found.count} {found.rule.what} ({'; '.join(found.examples)}). "
                f"{found.rule.fix}. `tid-tune data check` lists everything."
            )

    def as_json(self) -> list[dict[str, object]]:
        """Return plain data for `--json`."""
        return [
            {
                "code": found.rule.code,
                "severity": found.rule.severity,
                "split": found.split,
                "what": found.rule.what,
                "count": found.count,
                "examples": found.examples,
                "fix": found.rule.fix,
            }
            for found in self.all()
        ]
