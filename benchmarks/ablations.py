"""The paper's ablations on the digits: every cell of the four ablation spaces, with the same seeds.

    tid-tune data digits --out data/digits
    tid-tune train trainables/configs/digits/gfl_teacher.py --work-dir runs/teacher-digits-gfl
    tid-tune train trainables/configs/digits/atss_teacher.py --work-dir runs/teacher-digits-atss
    python benchmarks/ablations.py train --head gfl --seeds 5
    python benchmarks/ablations.py train --head atss --seeds 5
    python benchmarks/ablations.py table

`train` writes benchmarks/results/ablations_HEAD.json after each training, and resumes.
A cell that several spaces share is trained once. All cells of a seed see the same images in the
same order and start from the same weights, so `table` compares cells by pairs of equal seeds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypedDict

from tid_tune.distill.registry import METHODS
from tid_tune.search.stages.statistics import Estimate, estimate
from tid_tune.searchfile import SearchSpec, load
from tid_tune.searchfile.config import DISTILLATION
from tid_tune.searchfile.model import Interval
from tid_tune.space import Space
from tid_tune.space.values import Params
from tid_tune.space.walk import GridWalk

SPACES = ("tasks", "thresholds", "areas", "decoupling")
RESULTS = Path("benchmarks/results")
OBJECTIVE = "coco/bbox_mAP"
TOGETHER = 6
"""Trainings side by side."""
ALONE: Params = {f"{DISTILLATION}.method": "none"}
"""The student without a teacher: a cell of its own."""


class Run(TypedDict):
    """One training."""

    edits: Params
    seed: int
    by_epoch: list[float]
    cpu_seconds: float


def cells(space: str) -> Iterator[Params]:
    """Yield the values of every cell of an ablation space."""
    spec = load(Path("search_spaces", f"ablation_{space}.yaml"), check_files=False)
    walk = GridWalk(Space(spec.space, spec.require), seed=0)
    seen = []
    for index in range(walk.count):
        params = walk.point(index)
        if params not in seen:
            seen.append(params)
            yield params


def key(edits: Mapping[str, object]) -> str:
    """Return what two trainings of the same effect share: the settings that are not defaults."""
    if edits == ALONE:
        return json.dumps(edits)
    defaults = METHODS.parts()["tid"].model_fields
    changed = {
        name: value
        for path, value in edits.items()
        if value != defaults[name := path.rpartition(".")[2]].default
    }
    return json.dumps(changed, sort_keys=True)


def every_cell() -> list[Params]:
    """Return the cells of all spaces, each once; the student alone comes first."""
    found = {key(ALONE): ALONE}
    for space in SPACES:
        for params in cells(space):
            found.setdefault(key(params), params)
    return list(found.values())


def train(head: str, seeds: int) -> None:
    """Train what is missing of every cell with seeds 0 to `seeds` - 1, cells of a seed together."""
    spec: SearchSpec = load(
        Path("search_spaces/ablation_tasks.yaml"),
        [f"trial=trainables/configs/digits/{head}_r18_tid.py"],
    )
    for seed in range(seeds):
        done = {key(run["edits"]) for run in read(head) if run["seed"] == seed}
        todo = [edits for edits in every_cell() if key(edits) not in done]
        for first in range(0, len(todo), TOGETHER):
            train_together(spec, head, seed, todo[first : first + TOGETHER])


def train_together(spec: SearchSpec, head: str, seed: int, cells: Sequence[Params]) -> None:
    """Train cells of one seed side by side, and write their results.

    A trial in a pack trains bit by bit as alone; see docs/performance.md.
    """
    from tid_tune.trial.pack import Interval as Step
    from tid_tune.trial.pack import Pack
    from tid_tune.trial.trial import Trial

    started, pack = time.process_time(), Pack()
    courses: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, edits in enumerate(cells):
            name = str(number)
            pack.add(
                name,
                partial(
                    Trial,
                    spec.trial,
                    edits,
                    seed=seed,
                    epochs=spec.epochs,
                    report_every=Interval(),
                    work_dir=Path(folder) / name,
                    threads=1,
                ),
            )
            pack.run(name, Trial.proof)
            courses[name] = []
        going_on = True
        while going_on:
            for name, step in pack.step().items():
                assert isinstance(step, Step), step
                courses[name].append(step.report.metrics[OBJECTIVE])
                going_on = not step.report.done
        pack.close()
    spent = round((time.process_time() - started) / len(cells), 1)
    new: list[Run] = [
        {"edits": edits, "seed": seed, "by_epoch": by_epoch, "cpu_seconds": spent}
        for edits, by_epoch in zip(cells, courses.values(), strict=True)
    ]
    file(head).write_text(json.dumps([*read(head), *new], indent=1) + "\n")
    for run in new:
        print(f"{head} seed {seed} {key(run['edits'])}: {run['by_epoch'][-1]:.3f}", flush=True)
    print(f"{len(cells)} trainings, {spent} CPU-seconds each", flush=True)


def file(head: str) -> Path:
    """Return the file of a head's results."""
    return RESULTS / f"ablations_{head}.json"


def read(head: str) -> list[Run]:
    """Return the trainings so far."""
    return json.loads(file(head).read_text()) if file(head).is_file() else []


def table() -> None:
    """Print one Markdown table a space."""
    values: dict[tuple[str, str], dict[int, float]] = {}
    heads = [head for head in ("gfl", "atss") if file(head).is_file()]
    for head in heads:
        for run in read(head):
            values.setdefault((head, key(run["edits"])), {})[run["seed"]] = run["by_epoch"][-1]
    for space in SPACES:
        print(f"\n| {space} |" + "".join(f" {h.upper()} | difference (95 %) |" for h in heads))
        print("|---|" + "---|---|" * len(heads))
        rows = list(cells(space))
        first = key({})  # the defaults are a cell of every space
        rows.sort(key=lambda params: key(params) != first)
        for params in [ALONE, *rows]:
            name = ", ".join(f"{path.rpartition('.')[2]} {v}" for path, v in params.items())
            line = f"| {name} |"
            for head in heads:
                mine = values.get((head, key(params)), {})
                theirs = values.get((head, first), {})
                shared = sorted(mine.keys() & theirs.keys())
                gaps = [mine[seed] - theirs[seed] for seed in shared]
                line += f" {shown(estimate([*mine.values()]))} |" if mine else " |"
                line += f" {shown(estimate(gaps), '+')} |" if gaps and mine is not theirs else " |"
            print(line)
    counts = {head: sorted({len(v) for (h, _), v in values.items() if h == head}) for head in heads}
    print(f"\nseeds a cell: {counts}")


def shown(value: Estimate, sign: str = "") -> str:
    """Return `0.490 (0.470 to 0.510)`."""
    text = f"{value.mean:{sign}.3f}"
    if value.low is None:
        return text
    return f"{text} ({value.low:{sign}.3f} to {value.high:{sign}.3f})"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("train")
    command.add_argument("--head", choices=("gfl", "atss"), required=True)
    command.add_argument("--seeds", type=int, default=5)
    commands.add_parser("table")
    options = parser.parse_args()
    if options.command == "train":
        train(options.head, options.seeds)
    else:
        table()


if __name__ == "__main__":
    main()
