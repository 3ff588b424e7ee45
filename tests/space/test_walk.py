"""The walk over a finite space."""

from __future__ import annotations

from tid_tune.space import Choice, Constraint, Integer, Space
from tid_tune.space.walk import GridWalk


def test_each_allowed_point_is_listed_once() -> None:
    """A value that does not apply makes no second point."""
    space = Space(
        {
            "kind": Choice(values=("x", "y")),
            "size": Integer(low=0, high=3, when={"kind": ("x",)}),
        },
        (Constraint(left="size", op="<", right=2),),
    )
    points = sorted(GridWalk(space, seed=5).points(), key=str)
    assert points == [{"kind": "x", "size": 0}, {"kind": "x", "size": 1}, {"kind": "y"}]
