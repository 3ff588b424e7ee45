"""The analysis as files."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path

from tid_tune.report.analysis.analysis import Analysis
from tid_tune.report.analysis.drawing import draw_curves


def write_files(out: Path, analysis: Analysis, about: Mapping[str, object]) -> list[Path]:
    """Write metrics.json, classes.csv, curves.png and detections.json into the folder `out`.

    `about` goes to the top of metrics.json. Returns the files written.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / name for name in ("metrics.json", "classes.csv", "curves.png")]
    document = {**about, **analysis.as_json()}
    paths[0].write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    _write_classes(paths[1], analysis)
    draw_curves(paths[2], analysis, title=str(about.get("checkpoint", "")))
    found = out / "detections.json"
    found.write_text(json.dumps(analysis.detections.as_coco(analysis.truth)), encoding="utf-8")
    return [*paths, found]


def _write_classes(path: Path, analysis: Analysis) -> None:
    columns = analysis.by_class()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["class", "boxes", *columns])
        for place, name in enumerate(analysis.truth.classes):
            values = [float(column[place]) for column in columns.values()]
            cells = ["" if math.isnan(value) else f"{value:.6f}" for value in values]
            writer.writerow([name, analysis.table.boxes[place], *cells])
