"""What can be wrong with the boxes of one split; vectorised, for a million of them."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from tid_tune.data.findings import EXAMPLES, Findings
from tid_tune.data.table import Table
from tid_tune.words import counted

Rows = NDArray[np.int64]


def check_boxes(table: Table, findings: Findings, split: str) -> None:
    """Report boxes that do not fit their image, repeat others, or are missing."""
    left, top, width, height = table.boxes.T
    image_width, image_height = table.sizes[table.box_image].T
    right, bottom = left + width, top + height
    negative = (width < 0) | (height < 0)
    outside = (left >= image_width) | (top >= image_height) | (right <= 0) | (bottom <= 0)
    over = (left < -1) | (top < -1) | (right > image_width + 1) | (bottom > image_height + 1)
    tiny = (width < 1) | (height < 1)
    flags = {
        "negative-box": negative,
        "outside-box": outside & ~negative,
        "overhanging-box": over & ~outside & ~negative,
        "tiny-box": tiny & ~negative & ~outside,
        "no-area": (table.areas <= 0) & ~tiny & ~outside,
    }
    for code, flag in flags.items():
        _report(code, np.flatnonzero(flag), table, findings, split)
    _report("duplicate-box", _repeats(table), table, findings, split)
    _check_counts(table, findings, split)


def _report(code: str, rows: Rows, table: Table, findings: Findings, split: str) -> None:
    findings.add_many(code, split, len(rows), map(table.describe, rows[:EXAMPLES].tolist()))


def _repeats(table: Table) -> Rows:
    """Return the boxes equal to an earlier one of their image and class; crowd boxes may repeat."""
    rows = np.flatnonzero(~table.crowd)
    # Equal sums of edges are rare, so only few boxes are left for the exact comparison.
    key = (table.boxes[rows] * (1.0, 1.37, 2.11, 3.73)).sum(axis=1)
    order = np.lexsort((key, table.box_image[rows]))
    image, key = table.box_image[rows][order], key[order]
    like_next = (image[1:] == image[:-1]) & (key[1:] == key[:-1])
    suspects = np.zeros(len(rows), bool)
    suspects[:-1] |= like_next
    suspects[1:] |= like_next
    seen: set[tuple[float, ...]] = set()
    repeats = []
    for row in np.sort(rows[order[suspects]]).tolist():
        box = (table.box_image[row], table.box_class[row], *table.boxes[row].tolist())
        if box in seen:
            repeats.append(row)
        seen.add(box)
    return np.array(repeats, np.int64)


def _check_counts(table: Table, findings: Findings, split: str) -> None:
    used = np.bincount(table.box_class[~table.crowd], minlength=len(table.classes))
    if used.any():
        unused = [name for name, count in zip(table.classes, used, strict=True) if not count]
        findings.add_many("unused-class", split, len(unused), unused)
    else:
        count = len(table.boxes)
        example = f"{counted(len(table.files), 'image')}, {counted(count, 'box')}"
        example += ", all ignored" if count else ""
        findings.add("no-boxes", split, example)
    filled = np.bincount(table.box_image, minlength=len(table.files))
    empty = np.flatnonzero(filled == 0).tolist()
    findings.add_many("empty-image", split, len(empty), (table.files[row] for row in empty))
    # ./a.jpg and a.jpg are one file.
    listed = Counter(map(os.path.normpath, table.files))
    if len(listed) < len(table.files):
        often = [f"{name}: {count} times" for name, count in listed.items() if count > 1]
        findings.add_many("duplicate-file-name", split, len(often), often)
