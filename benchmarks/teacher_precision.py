"""What a teacher in bfloat16 changes: maps, scores, areas and loss of TID, on the digits.

    python benchmarks/teacher_precision.py --out benchmarks/results/teacher_precision.json
    python benchmarks/teacher_precision.py --epochs 6      # also the mAP of students trained so

Needs the digits and their teacher (`make demo` leaves both). For every seed a student is trained
with the float32 teacher; every fourth batch is also shown to the teacher in bfloat16, and both are
compared for the same student at the same step. Differences are norms of differences divided by
norms. `control` compares the float32 teacher with the one that is not folded: the rounding of
float32. With --epochs, students are trained with each teacher and equal seeds; rounding alone leads
to another student, so the control shows how much mAP scatters. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tid_tune.distill.context import Context, View
from tid_tune.distill.methods.tid.decoupling import Masks
from tid_tune.distill.teacher import Teacher, load_teacher
from tid_tune.openmmlab.configs import load_config
from tid_tune.openmmlab.models import unpack_gt_instances
from tid_tune.searchfile.model import Interval
from tid_tune.trial.trial import Trial

CONFIG = Path("trainables/configs/digits/gfl_r18_tid.py")
EVERY = 4
TEACHERS = ("float32", "bfloat16", "control")


class Plain(Teacher):
    """The teacher as it is loaded: not folded, not channels last."""

    def __init__(self) -> None:
        source = load_config(CONFIG).model.teacher
        super().__init__(load_teacher(source))
        self.detector = load_teacher(source).requires_grad_(False).eval()


def start(folder: str, seed: int, epochs: int, precision: str = "float32") -> Trial:
    return Trial(
        CONFIG,
        {"model.teacher.precision": precision},
        seed=seed,
        epochs=epochs,
        report_every=Interval(),
        work_dir=Path(folder),
        device="cpu",
        threads=1,
    )


def compare(seed: int, steps: int) -> dict[str, Any]:
    """Return the differences over the batches of one seed, for bfloat16 and for the control."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder, start(folder, seed, 6) as trial:
        model: Any = trial.model
        exact = model._teacher
        others = {"bfloat16": Teacher(exact.detector, "bfloat16"), "control": Plain()}
        loop = trial.runner.train_loop
        for number, data in enumerate(batches(loop.dataloader, steps)):
            if number % EVERY == 0:
                prepared = model.data_preprocessor(data, True)
                shown = [judge(model, one, prepared) for one in (exact, *others.values())]
                for name, other in zip(others, shown[1:], strict=True):
                    for key, value in difference(shown[0], other).items():
                        found[name][key].append(value)
            model.train_step(data, trial.runner.optim_wrapper)
    return {
        name: {key: statistics.fmean(values) for key, values in one.items()}
        for name, one in found.items()
    }


def batches(loader: Any, count: int) -> Any:
    """Yield batches over as many epochs as it takes."""
    while True:
        for batch in loader:
            if count == 0:
                return
            count -= 1
            yield batch


@torch.no_grad()
def judge(model: Any, teacher: Teacher, prepared: Any) -> dict[str, Any]:
    """Return what TID makes of a batch with this teacher, for the student as it is."""
    instances, _, metas = unpack_gt_instances(prepared["data_samples"])
    batch = teacher.batch(prepared["inputs"].clone(), instances, metas)
    features = model.student.extract_feat(prepared["inputs"])
    view = View(model.student, model._student_head, features, model.student.bbox_head(features))
    context = Context(batch, view, 0, 0)
    masks = Masks.split(
        model.method.assess(context), context.valid_points, model.method.settings.precedence
    )
    importance = model.method.importance(context, batch.teacher)
    return {
        "maps": batch.teacher.features,
        "outputs": [item for kind in batch.teacher.outputs for item in kind],
        "evidence": [importance.evidence],
        "score": torch.tensor(model.method.settings.products)[importance.code],
        "area": torch.stack([masks.key, masks.weak]),
        "loss": sum(model.method(context).losses.values()),
    }


def difference(exact: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    moved = (exact["area"] != other["area"]).any(0)
    either = exact["area"].any(0) | other["area"].any(0)
    return {
        "maps": relative(exact["maps"], other["maps"]),
        "head_outputs": relative(exact["outputs"], other["outputs"]),
        "iou_times_probability": relative(exact["evidence"], other["evidence"]),
        "points_of_another_score": (exact["score"] != other["score"]).float().mean().item(),
        "points_of_another_area": moved.float().mean().item(),
        "of_the_points_in_key_or_weak": (moved.sum() / either.sum().clamp(min=1)).item(),
        "loss": ((other["loss"] - exact["loss"]).abs() / exact["loss"]).item(),
    }


def relative(exact: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """Return the mean over the tensors of the norm of the difference divided by the norm."""
    return statistics.fmean(
        ((b - a).norm() / a.norm()).item() for a, b in zip(exact, other, strict=True)
    )


def trained(seeds: list[int], epochs: int) -> dict[str, Any]:
    """Return the students' mAP by the teacher, seed by seed, and the gains over float32."""
    found = {name: [final(name, seed, epochs) for seed in seeds] for name in TEACHERS}
    exact = found["float32"]
    gains = {
        name: [b - a for a, b in zip(exact, found[name], strict=True)] for name in TEACHERS[1:]
    }
    return {"epochs": epochs, "seeds": seeds, "mAP": found, "gain": gains}


def final(name: str, seed: int, epochs: int) -> float:
    """Return the mAP of a student at the end of its training."""
    precision = "float32" if name == "control" else name
    with tempfile.TemporaryDirectory() as folder, start(folder, seed, epochs, precision) as trial:
        if name == "control":
            trial.model._teacher = Plain()
        while not trial.done:
            report = trial.step()
    return report.metrics["coco/bbox_mAP"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=80, help="of training per seed")
    parser.add_argument("--epochs", type=int, help="also train students for so long")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    each = {str(seed): compare(seed, options.steps) for seed in options.seeds}
    found: dict[str, Any] = {
        "command": f"python benchmarks/teacher_precision.py --epochs {options.epochs}",
        "torch": torch.__version__,
        "config": str(CONFIG),
        "batches_per_seed": len(range(0, options.steps, EVERY)),
        "mean": {
            name: {
                key: statistics.fmean(one[name][key] for one in each.values())
                for key in each[str(options.seeds[0])][name]
            }
            for name in ("bfloat16", "control")
        },
        "by_seed": each,
    }
    if options.epochs:
        found["trained"] = trained(options.seeds, options.epochs)
    text = json.dumps(found, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
