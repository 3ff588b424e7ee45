"""What it costs a trial to record its key and weak areas, as a part of its own processor time.

    python benchmarks/area_recording.py --out benchmarks/results/area_recording.json

A trial of the digits demo with TID is trained on one thread; each recording is timed where it
happens, and each epoch with its evaluation around it. Needs the data and the teacher of `make
demo`. Seconds are those of the processor, so that other programs count little.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from publishing import publish

from tid_tune.searchfile.model import Interval
from tid_tune.searchfile.outputs import Report
from tid_tune.trial import area_record
from tid_tune.trial.report import AREAS_FILE
from tid_tune.trial.trial import Trial

CONFIG = Path("trainables/configs/digits/gfl_r18_tid.py")


def measure(images: int, epochs: int) -> dict[str, object]:
    """Train a trial; return the seconds of its epochs, those of its recordings, and the bytes."""
    recordings, steps = [], []
    record = area_record.AreaRecorder.record

    def timed(self: area_record.AreaRecorder, epoch: float) -> None:
        started = time.process_time()
        record(self, epoch)
        recordings.append(time.process_time() - started)

    area_record.AreaRecorder.record = timed  # type: ignore[method-assign]  # for this process
    with tempfile.TemporaryDirectory() as folder:
        work: dict[str, Any] = {"work_dir": Path(folder), "device": "cpu"}
        work["report_every"] = Interval()
        with Trial(CONFIG, {}, seed=0, epochs=epochs, areas=images, **work) as trial:
            while not trial.done:
                started = time.process_time()
                trial.step()
                steps.append(time.process_time() - started)
        size = (Path(folder) / AREAS_FILE).stat().st_size
    return {
        "images": images,
        "bytes": size,
        "percent": round(100 * sum(recordings) / (sum(steps) - sum(recordings)), 2),
        "recordings": [round(seconds, 3) for seconds in recordings],
        "epochs": [round(seconds, 2) for seconds in steps],
    }


def main() -> None:
    """Measure the default number of images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=Report().areas)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    publish(measure(options.images, options.epochs), options.out)


if __name__ == "__main__":
    main()
