"""All there is to say about one model's detections, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from tid_tune.plain import plain
from tid_tune.report.analysis.ap import CocoTable, coco_table
from tid_tune.report.analysis.breakdown import SHARES, STAGES, Breakdown, break_down
from tid_tune.report.analysis.columns import Detections, Floats, Truth
from tid_tune.report.analysis.curves import mean
from tid_tune.report.analysis.matching import AREAS
from tid_tune.report.analysis.voc import voc_ap, voc_map


@dataclass(frozen=True)
class Analysis:
    """AP tables, error breakdown, and for VOC data VOC's AP by class and rule."""

    truth: Truth
    detections: Detections
    table: CocoTable
    breakdown: Breakdown
    voc: dict[str, Floats] | None

    def by_class(self) -> dict[str, Floats]:
        """Return the columns [K] of the table of classes."""
        columns = dict(self.table.by_class())
        if self.voc is not None:
            columns |= {f"VOC_{rule}": values for rule, values in self.voc.items()}
        shares = self.breakdown.class_shares()
        return columns | {name: shares[:, place] for place, name in enumerate(SHARES)}

    def as_json(self) -> dict[str, object]:
        """Return all numbers as JSON data; what does not exist is null."""
        areas = mean(self.breakdown.areas_under_curve(), axis=2)
        columns = {name: values.tolist() for name, values in self.by_class().items()}
        document: dict[str, object] = {
            "images": len(self.truth.image_ids),
            "boxes": int(self.truth.counts().sum()),
            "detections": len(self.detections),
            "coco": self.table.overall(),
            "voc": None if self.voc is None else voc_map(self.voc),
            "errors": {size: self.breakdown.shares(size) for size in AREAS},
            "areas_under_curve": {
                size: dict(zip(STAGES, areas[:, place].tolist(), strict=True))
                for place, size in enumerate(AREAS)
            },
            "supercategories_tell_classes_apart": self.breakdown.similar,
            "classes": [
                {"name": name, "boxes": self.table.boxes[place]}
                | {column: values[place] for column, values in columns.items()}
                for place, name in enumerate(self.truth.classes)
            ],
        }
        return {key: plain(value) for key, value in document.items()}


def analyze(truth: Truth, detections: Detections, *, voc: bool = False) -> Analysis:
    """Evaluate detections in every way this package knows; `voc` adds VOC's own AP."""
    return Analysis(
        truth,
        detections,
        coco_table(truth, detections),
        break_down(truth, detections),
        voc_ap(truth, detections) if voc else None,
    )
