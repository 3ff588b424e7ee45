"""How far a reader walks through the code to follow one call, one value, one metric.

    python benchmarks/walks.py                                   # prints JSON
    python benchmarks/walks.py --out benchmarks/results/walks.json

Run it in a checkout with the test requirements installed; it takes two minutes and trains one tiny
detector on the CPU. --out replaces the measured part of the file's "after" and keeps the rest.

`calls`: the functions that one `Search.next()` or `Search.report()` calls, measured by a profiler
over the real engine in a simulated search. The ledger is a file and retention follows it, as in a
real run. Lambdas and comprehensions are not counted. The median call of each kind is shown.

`value` and `metric`: one search runs from its YAML file to its leaderboard, with everything but
Ray's processes. One searched parameter is drawn from an interval that no other number falls into,
and COCO's precision is replaced by such a number. The value is followed until its trial's first
answer is recorded, the metric to MLflow and to the tables. `files_within` so many steps: those
with a function that has the number, or a text with it, so many attributes or items away from an
argument, a local variable or the result. 0 steps: in its hands; 1: in a list or dictionary, such
as `params`; 2: in a record, such as `assignment.edits[path]`. Files and carriers (our classes that
hold the number) are named for 1 and 2 steps.

`any_per_1000_lines`: how often the word `Any` stands in tid_tune.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from conftest import CONFIG, _draw  # noqa: E402  # found by the path above, as all that follows
from support.search_cases import learning_curve, make_spec  # noqa: E402

from tid_tune.cluster import driver, tuner  # noqa: E402
from tid_tune.cluster.dispatch import Dispatcher  # noqa: E402
from tid_tune.ledger.file import Ledger  # noqa: E402
from tid_tune.search.decision import Continue, Decision, Pack, Signal, Stop  # noqa: E402
from tid_tune.search.engine import Search  # noqa: E402
from tid_tune.search.retention import Retention  # noqa: E402
from tid_tune.search.simulate import Simulator, VirtualClock  # noqa: E402
from tid_tune.searchfile.loading import load  # noqa: E402
from tid_tune.searchfile.model import Interval, SearchSpec  # noqa: E402
from tid_tune.trial.trial import Trial  # noqa: E402

OURS = tuple(f"{ROOT / name}{os.sep}" for name in ("tid_tune", "trainables"))
KINDS = {"next: a new search trial": Pack, "report: goes on": Continue, "report: stop": Stop}
LOW, HIGH = 1.2345678, 1.2345679  # the searched value is drawn between them
METRIC = 0.7654321098
NUMBER = re.compile(r"\d\.\d{6,}")
STEPS = 2  # how far away a number may be
PROBES = 100  # how often one function is looked into
OPAQUE = (ModuleType, FunctionType, type, int, bytes, type(None))
SPACE = f"""
{{name: walk, trial: config.py, epochs: 1, trials: 1, baseline: false, sampler: {{type: gp}},
  scheduler: {{type: asha}}, resources: {{cpus: 1, gpus: 0}},
  space: {{model.distillation.loss_weight: {{log_uniform: [{LOW}, {HIGH}]}}}}}}
"""
DISTILLER = """
model = dict(
    type='Distiller', student=_detector, distillation=dict(method='tid', loss_weight=2.0),
    teacher=dict(config='teacher.py', checkpoint='teacher.pth'))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
"""

Function = tuple[str, str]  # file and name


def function(code: CodeType) -> Function | None:
    """Return which function of ours it is."""
    if not code.co_filename.startswith(OURS):
        return None
    return str(Path(code.co_filename).relative_to(ROOT)), code.co_qualname


class CountedSearch(Search):
    """Keeps the calls inside each `next_pack()` and `report()` about a search trial."""

    counted: list[tuple[type, list[Function]]]

    def next_pack(self, size: int) -> Pack | Signal:
        return self._count(super().next_pack, size)

    def report(self, *arguments: Any, **named: Any) -> Decision:
        return self._count(super().report, *arguments, **named)

    def _count(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        calls: list[Function] = []

        def note(frame: FrameType, event: str, _: object) -> None:
            found = function(frame.f_code) if event == "call" else None
            if found and not frame.f_code.co_name.startswith("<"):
                calls.append(found)

        sys.setprofile(note)
        try:
            answer = call(*arguments, **named)
        finally:
            sys.setprofile(None)
        trial = answer.members[0].trial if isinstance(answer, Pack) else arguments[0]
        if trial in self.state.trials and self.state.trials[trial].stage == "search":
            self.counted.append((type(answer), calls))
        return answer


def count_calls(sampler: str) -> dict[str, dict[str, int]]:
    """Return calls, functions and files of the median call of each kind."""
    clock = VirtualClock()
    spec = make_spec(sampler={"type": sampler}, scheduler={"type": "asha"}, trials=30)
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger.open(Path(folder, "ledger.jsonl"), clock=clock) as ledger,
    ):
        search = CountedSearch.open(spec, ledger)
        search.counted = []
        Retention(search)
        Simulator(search, learning_curve, clock).run()
    return {kind: _median(search.counted, answer) for kind, answer in KINDS.items()}


def _median(counted: Iterable[tuple[type, list[Function]]], answer: type) -> dict[str, int]:
    found = sorted((calls for kind, calls in counted if kind is answer), key=len)
    calls = found[len(found) // 2]
    files = len({file for file, _ in calls})
    return {"calls": len(calls), "functions": len(set(calls)), "files": files}


class Tracer:
    """A profiler that finds the functions that hold a number between `low` and `high`."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.functions: dict[Function, int] = {}
        """How many steps away the number is, at best."""
        self.carriers: set[str] = set()
        self._probes: Counter[tuple[CodeType, str]] = Counter()

    def __call__(self, frame: FrameType, event: str, result: object) -> None:
        """Look into a frame of ours when it begins and when it ends."""
        found = function(frame.f_code) if event in ("call", "return") else None
        if found is None or self.functions.get(found) == 0:
            return
        self._probes[frame.f_code, event] += 1
        if self._probes[frame.f_code, event] <= PROBES:
            variables = list(frame.f_locals.values())
            steps = self._search(variables if event == "call" else [*variables, result])
            if steps is not None:
                self.functions[found] = min(steps, self.functions.get(found, steps))

    def _search(self, variables: list[Any]) -> int | None:
        """Return how many steps the number is away, and note the classes that hold it."""
        seen: set[int] = set()
        level, nearest = [(value, "") for value in variables], None
        for steps in range(STEPS + 1):
            following: list[tuple[Any, str]] = []
            for value, owner in level:
                if isinstance(value, OPAQUE) or id(value) in seen:
                    continue
                seen.add(id(value))
                if self._is_wanted(value):
                    nearest = steps if nearest is None else nearest
                    self.carriers |= {owner} - {""}
                else:
                    owner = _class_of_ours(value) or owner
                    following += [(child, owner) for child in _children(value)]
            level = following
        return nearest

    def _is_wanted(self, value: object) -> bool:
        if isinstance(value, str):
            return any(self.low < float(text) < self.high for text in NUMBER.findall(value))
        return isinstance(value, float) and self.low < value < self.high

    def summary(self) -> dict[str, Any]:
        """Return how many files hold the number at each distance, and names."""
        away = self.functions.items()
        files = [{name for (name, _), at in away if at <= s} for s in range(STEPS + 1)]
        return {
            "files_within": {f"{s} steps": len(found) for s, found in enumerate(files)},
            "functions_within_1_step": sum(at <= 1 for _, at in away),
            "carriers": sorted(self.carriers),
            "files_within_1_step": sorted(files[1]),
        }


def _class_of_ours(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__.startswith(("tid_tune.", "trainables.")) else ""


def _children(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(dict.values(value))  # not the subclass's, which may import or build
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    held = [getattr(value, name, None) for name in slots if isinstance(name, str)]
    return [*held, *getattr(value, "__dict__", {}).values()]


def run_here(spec: SearchSpec, dispatcher: Dispatcher, value: Tracer) -> bool:
    """Take the place of `tuner.tune`: run the only trial in this process, without Ray."""
    worker = tuner.load_trainable(spec.trainable)(dispatcher.order("only"))
    dispatcher.started("only", "here")
    going_on = dispatcher.result("only", worker.step())
    value.low = math.inf  # followed far enough
    worker.cleanup()
    return not going_on and dispatcher.order("only") is Signal.FINISHED


def known_precision(evaluation: Any) -> None:
    """Take the place of COCO's `accumulate`."""
    evaluation.eval = {"precision": np.full((10, 101, 2, 4, 3), METRIC)}


def trace(folder: Path) -> dict[str, Any]:
    """Run one search of one trial, and return what held its value and its metric."""
    (folder / "images").mkdir()
    for seed, name in enumerate(("train", "val")):
        _draw(folder, name, 4, seed)
    config = CONFIG.format(data=folder, flip=0.0, workers=0, width=8)
    (folder / "config.py").write_text(config + DISTILLER)
    (folder / "teacher.py").write_text(config)
    (folder / "space.yaml").write_text(SPACE)
    os.chdir(folder)
    once = {"seed": 0, "epochs": 1, "report_every": Interval(), "work_dir": folder / "teacher"}
    with Trial(Path("teacher.py"), {}, **once) as teacher:
        teacher.save(folder / "teacher.pth")
    # The file states the interval; after it is read, only a value drawn inside is looked for.
    value, metric = Tracer(LOW - 1e-12, HIGH + 1e-12), Tracer(METRIC - 1e-12, METRIC + 1e-12)

    def both(frame: FrameType, event: str, result: object) -> None:
        value(frame, event, result)
        metric(frame, event, result)

    from faster_coco_eval.core.faster_eval_api import COCOeval_faster

    with (
        patch.object(tuner, "tune", lambda spec, to, *_: run_here(spec, to, value)),
        patch.object(COCOeval_faster, "accumulate", known_precision),
        patch.object(driver.RaySession, "begin"),
        patch.object(driver.RaySession, "connect"),
        patch.object(driver, "check_nodes"),
        patch.object(driver, "Capacity", lambda *_: lambda: 1),
    ):
        threading.setprofile(both)
        sys.setprofile(both)
        try:
            spec = load("space.yaml")
            value.low, value.high = LOW, HIGH
            outcome = driver.run_search(spec, runs=Path("runs"), root=folder)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    assert outcome.complete, outcome.failed
    return {"value": value.summary(), "metric": metric.summary()}


def any_per_1000_lines() -> float:
    texts = [path.read_text() for path in (ROOT / "tid_tune").rglob("*.py")]
    words, lines = (sum(len(re.findall(p, text)) for text in texts) for p in (r"\bAny\b", "\n"))
    return round(1000 * words / lines, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    out = options.out.resolve() if options.out else None  # the folder is changed below
    found: dict[str, Any] = {
        "calls": {f"{name} and asha": count_calls(name) for name in ("random", "tpe")},
        "any_per_1000_lines": any_per_1000_lines(),
    }
    with tempfile.TemporaryDirectory() as folder:
        found |= trace(Path(folder))
    results = json.loads(out.read_text()) if out and out.exists() else {}
    results["after"] = {**results.get("after", {}), **found}
    print(text := json.dumps(results, indent=2))
    if out:
        out.write_text(text + "\n")


if __name__ == "__main__":
    main()
