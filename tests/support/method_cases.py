"""Which methods there are, and how their terms are compared with a reference."""

from __future__ import annotations

import pytest

from tid_tune.distill.registry import METHODS

TEACHING = tuple(name for name, method in METHODS.parts().items() if method.needs_teacher)
"""Names of the methods with a teacher."""


def supports(method: str, kind: str) -> bool:
    """Whether a method can compare two detectors of this kind."""
    return method != "ld" or kind == "gfl"


def check(found: dict[str, float], expected: dict[str, float]) -> None:
    """The same terms with the same values."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=2e-4, abs=1e-6), name
