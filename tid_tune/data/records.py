"""Judge the records of a COCO json one by one: what a reader may rely on afterwards."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from math import isfinite
from typing import Any

from tid_tune.data.findings import Findings

Record = dict[str, Any]

_NUMBERS = frozenset((int, float))
_LIMIT = 1e9


def category_fault(record: object) -> str | None:
    """Return what keeps this entry of `categories` from being used, or None."""
    if type(record) is not dict:
        return "not an object"
    if type(record.get("id")) is not int:
        return _wrong(record, "id", "a whole number")
    if not _is_text(record.get("name")):
        return _wrong(record, "name", "a text")
    return None


def image_fault(record: object) -> str | None:
    """Return what keeps this entry of `images` from being used, or None."""
    if type(record) is not dict:
        return "not an object"
    if type(record.get("id")) is not int:
        return _wrong(record, "id", "a whole number")
    if not _is_text(record.get("file_name")):
        return _wrong(record, "file_name", "a text")
    for side in ("width", "height"):
        value = record.get(side)
        if type(value) is not int or not 0 < value < _LIMIT:
            return _wrong(record, side, "a whole number of pixels above 0")
    return None


def box_fault(record: object) -> str | None:
    """Return what keeps this entry of `annotations` from being used, or None."""
    if type(record) is not dict:
        return "not an object"
    get = record.get
    for key in ("id", "image_id", "category_id"):
        if type(get(key)) is not int:
            return _wrong(record, key, "a whole number")
    box = get("bbox")
    if (
        type(box) is not list
        or len(box) != 4
        or not _NUMBERS.issuperset(map(type, box))
        or not (min(box) > -_LIMIT and max(box) < _LIMIT)
        # A NaN can slip through min and max, but not through the sum.
        or not isfinite(sum(box))
    ):
        return _wrong(record, "bbox", "four finite numbers")
    area = get("area")
    # type() and not isinstance(): true and false are ints to Python, not to a reader of boxes.
    if not (type(area) is int or type(area) is float) or not abs(area) < _LIMIT * _LIMIT:
        return _wrong(record, "area", "a number")
    return None


def _is_text(value: object) -> bool:
    """Whether this can be printed and be the name of a file; json can hold half characters."""
    if type(value) is not str or not value or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wrong(record: Record, key: str, wanted: str) -> str:
    if key not in record:
        return f"{key} is missing; it is {wanted}"
    received = repr(record[key])
    if len(received) > 40:
        received = f"{received[:40]}..."
    return f"{key} is {received}, not {wanted}"


def well_formed(
    records: Sequence[Any],
    fault: Callable[[object], str | None],
    kind: str,
    findings: Findings,
    split: str,
) -> list[Record]:
    """Return the records without a fault; `kind` names the others in `findings`."""
    kept = []
    for number, record in enumerate(records):
        found = fault(record)
        if found is None:
            kept.append(record)
        else:
            named = type(record) is dict and type(record.get("id")) is int
            name = f"{kind} {record['id']}" if named else f"{kind} number {number + 1} of the file"
            findings.add("bad-record", split, f"{name}: {found}")
    return kept


def first_of_id(records: list[Record], code: str, findings: Findings, split: str) -> list[Record]:
    """Return the records without those whose id came before."""
    seen: dict[int, Record] = {}
    for record in records:
        if seen.setdefault(record["id"], record) is not record:
            findings.add(code, split, f"id {record['id']}")
    return records if len(seen) == len(records) else list(seen.values())


def known(
    records: list[Record], key: str, ids: Container[int], code: str, findings: Findings, split: str
) -> list[Record]:
    """Return the annotations whose `key` is among `ids`."""
    kept = [record for record in records if record[key] in ids]
    lost = len(records) - len(kept)
    if lost:
        strangers = (record for record in records if record[key] not in ids)
        texts = (f"annotation {record['id']}: {key} {record[key]}" for record in strangers)
        findings.add_many(code, split, lost, texts)
    return kept
