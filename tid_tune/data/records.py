"""Judge the records of a COCO json one by one: what a reader may rely on afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Sequence
from math import isfinite
from typing import Any

from tid_tune.data.findings import Findings

Record = dict[str, Any]
Id = int | float | str
"""What images and categories are told apart by; annotations have numbers."""

_NUMBERS = frozenset((int, float))
_LIMIT = 1e9
_ID = "a whole number or a text"


def category_fault(record: object) -> str | None:
    """Return what keeps this entry of `categories` from being used, or None."""
    if type(record) is not dict:
        return "not an object"
    if not _is_id(record.get("id")):
        return _wrong(record, "id", _ID)
    if not _is_text(record.get("name")):
        return _wrong(record, "name", "a text")
    return None


def image_fault(record: object) -> str | None:
    """Return what keeps this entry of `images` from being used, or None."""
    if type(record) is not dict:
        return "not an object"
    if not _is_id(record.get("id")):
        return _wrong(record, "id", _ID)
    if not _is_text(record.get("file_name")):
        return _wrong(record, "file_name", "a text")
    for side in ("width", "height"):
        value: Any = record.get(side)
        if type(value) not in _NUMBERS or not 0 < value < _LIMIT or value % 1:
            return _wrong(record, side, "a whole number of pixels above 0")
    return None


def box_fault(record: object) -> str | None:
    """Return what keeps this entry of `annotations` from being used, or None."""
    if type(record) is not dict:
        return "not an object"
    get = record.get
    identity: Any = get("id")
    if type(identity) not in _NUMBERS or not abs(identity) < math.inf:
        return _wrong(record, "id", "a whole number")
    for key in ("image_id", "category_id"):
        if not _is_id(get(key)):
            return _wrong(record, key, _ID)
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


def _is_id(value: object) -> bool:
    """Whether mmdet and pycocotools can tell images or categories apart by this."""
    return type(value) is int or (type(value) is float and isfinite(value)) or _is_text(value)


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
            named = type(record) is dict and _is_id(record.get("id"))
            name = f"{kind} {record['id']}" if named else f"{kind} number {number + 1} of the file"
            findings.add("bad-record", split, f"{name}: {found}")
    return kept


def first_of_id(records: list[Record], code: str, findings: Findings, split: str) -> list[Record]:
    """Return the records without those whose id came before."""
    seen: dict[Id, Record] = {}
    for record in records:
        if seen.setdefault(record["id"], record) is not record:
            findings.add(code, split, f"id {record['id']}")
    return records if len(seen) == len(records) else list(seen.values())


def known(
    records: list[Record], key: str, ids: Container[Id], code: str, findings: Findings, split: str
) -> list[Record]:
    """Return the annotations whose `key` is among `ids`."""
    kept = [record for record in records if record[key] in ids]
    lost = len(records) - len(kept)
    if lost:
        strangers = (record for record in records if record[key] not in ids)
        texts = (f"annotation {record['id']}: {key} {record[key]!r}" for record in strangers)
        findings.add_many(code, split, lost, texts)
    return kept


def check_ids(records: list[Record], kind: str, findings: Findings, split: str) -> None:
    """Report ids that are numbers in some records and texts in others: mmdet sorts them."""
    texts = [record["id"] for record in records if isinstance(record["id"], str)]
    if texts and len(texts) < len(records):
        other = next(record["id"] for record in records if not isinstance(record["id"], str))
        findings.add("mixed-ids", split, f"{kind} ids {other!r} and {texts[0]!r}")


def check_flags(boxes: list[Record], findings: Findings, split: str) -> None:
    """Report what mmdet or pycocotools take in another way than was meant."""
    flagless = [box["id"] for box in boxes if "iscrowd" not in box]
    findings.add_many("no-crowd-flag", split, len(flagless), map("annotation {}".format, flagless))
    odd = [box for box in boxes if not (_is_flag(box, "iscrowd") and _is_flag(box, "ignore"))]
    findings.add_many("odd-flag", split, len(odd), _flags(odd))
    ignored = [box for box in boxes if box.get("ignore") and not box.get("iscrowd")]
    findings.add_many("ignored-box", split, len(ignored), _flags(ignored))
    zero = [box for box in boxes if box["id"] == 0]
    findings.add_many("annotation-id-0", split, len(zero), (str(box["bbox"]) for box in zero))


def _is_flag(box: Record, key: str) -> bool:
    value = box.get(key, 0)
    if value is None:
        return key == "ignore"  # pycocotools computes with iscrowd
    return isinstance(value, int | float) and value in (0, 1)


def _flags(boxes: list[Record]) -> Iterator[str]:
    for box in boxes:
        given = (f"{key} is {box[key]!r}" for key in ("iscrowd", "ignore") if key in box)
        yield f"annotation {box['id']}: {', '.join(given)}"
