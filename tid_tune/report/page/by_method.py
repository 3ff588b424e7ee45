"""What a section says of each compared method: of the best one at once, of others on a click."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tid_tune.insight.insight import ArmInsight
from tid_tune.report.page.blocks import Block, Details
from tid_tune.report.page.study import Study
from tid_tune.report.page.words import label_text


def by_method(
    arms: Sequence[ArmInsight],
    study: Study,
    blocks_of: Callable[[ArmInsight], Sequence[Block]],
    summary_of: Callable[[ArmInsight], str],
) -> list[Block]:
    """Return the blocks of each method; those of a method that is not the best are folded.

    Args:
        arms: the methods, in order.
        study: of the search.
        blocks_of: the blocks of a method; none: it is left out.
        summary_of: what they say, in a few words.
    """
    shown: list[Block] = []
    folded: list[Block] = []
    for one in arms:
        blocks = blocks_of(one)
        if one is study.insight.winning or len(arms) == 1:
            shown += blocks
        elif blocks:
            folded.append(Details(f"{label_text(one.arm.method)}: {summary_of(one)}", blocks))
    return [*shown, *folded]
