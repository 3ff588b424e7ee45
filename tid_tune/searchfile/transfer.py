"""`start_from` an earlier run: its best trials, in place of points."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from tid_tune.errors import UsageError
from tid_tune.models import Count, Model
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.sections import read_section
from tid_tune.searchfile.tree import Node
from tid_tune.storage.places import Place, place_of


class Transfer(Model):
    """Start from the best `top` trials of an earlier run; `narrow` shrinks the ranges to them."""

    run: Annotated[Place, BeforeValidator(place_of)]
    """The run folder: a path, or the URI of one in a store."""
    top: Count = 5
    narrow: bool = False


class TransferText(Model):
    """What `start_from: {run: ..., top: ..., narrow: ...}` holds in YAML."""

    run: str
    """The run folder of an earlier search: a path, or a URI such as s3://bucket/runs/NAME."""
    top: Count = 5
    narrow: bool = False


def read_transfer(node: Node, problems: Problems) -> Transfer | None:
    """Return the earlier run that a map names, with what is to be taken of it; note problems."""
    run = node.entries.get("run")
    if run is not None and run.value == "":
        problems.add(run.where, "start_from.run", "must not be empty; name a run folder")
        return None
    if node.entries and not node.entries.keys() & TransferText.model_fields.keys():
        wrong = "a map names an earlier run; points are a list: start_from: [{parameter: value}]"
        problems.add(node.where, "start_from", wrong)
        return None
    text = read_section(TransferText, "start_from", node, problems)
    if text is None:
        return None
    try:
        place = place_of(text.run)
    except UsageError as error:
        problems.add(node.entries["run"].where, "start_from.run", str(error))
        return None
    return Transfer(run=place, top=text.top, narrow=text.narrow)
