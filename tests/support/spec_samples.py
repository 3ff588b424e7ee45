"""Texts that the tests of search spaces share."""

from __future__ import annotations

from collections.abc import Callable

HEAD = "name: test\ntrial: config.py\n"
LR = "optim_wrapper.optimizer.lr"
ONE = f"{HEAD}space: {{{LR}: {{uniform: [0.1, 1]}}}}\n"
"""A good file of three lines."""


def with_line(line: str) -> str:
    """A good file with one more line, the fourth."""
    return f"{ONE}{line}\n"


def with_value(value: str) -> str:
    """A file with one parameter, on line 4."""
    return f"{HEAD}space:\n  {LR}: {value}\nbaseline: false\n"


def with_parameters(lines: str) -> str:
    """A file with these parameters, from line 4 on, and whatever follows them."""
    return f"{HEAD}space:\n{lines}"


FORMS: dict[str, Callable[[str], str]] = {
    "text": str,
    "line": with_line,
    "value": with_value,
    "parameters": with_parameters,
}
