"""A search of the digits by tid-tune, against the same search as users write it by hand.

    python benchmarks/against_glue.py --out benchmarks/results/against_glue.json

The hand-written search is `glue` below: Ray Tune's OptunaSearch and ASHAScheduler, and a function
around mmengine's Runner, which is built anew for each trial, validates and saves after each epoch
and reports the mAP. Both searches have the same config (a GFL student with our Distiller and the
demo's teacher), space, first point, number of trials, epochs, rungs and workers at a time; neither
has baselines, confirmation or MLflow. Ours runs with one student a worker, and with three. Needs
the demo's data and teacher (`make demo`). The arms take turns; each is a process of its own, whose
processor time is that of all processes below it. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import process_tree
from publishing import publish

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "trainables/configs/digits/gfl_r18_tid.py"
LINKED = ("data/digits", "runs/teacher-digits-gfl", "search_spaces", "trainables")
EPOCHS, GRACE, REDUCTION = 6, 2, 3
STUDENTS = {"tid_tune": 1, "tid_tune in packs": 3}
"""Students of a worker, by arm."""
GLUE = "glue"
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def train(values: dict[str, Any]) -> None:
    """Train one trial of the hand-written search."""
    from mmengine.config import Config
    from mmengine.hooks import Hook
    from mmengine.runner import Runner
    from ray import tune

    from tid_tune.openmmlab.setup import prepare

    prepare()  # mmdet where mmcv is not compiled, as in the other arm
    config = Config.fromfile(CONFIG)
    config.merge_from_dict(values)
    config.work_dir = tune.get_context().get_trial_dir()
    config.train_cfg = {"type": "EpochBasedTrainLoop", "max_epochs": EPOCHS, "val_interval": 1}
    config.randomness = {"seed": 0}

    class Report(Hook):  # type: ignore[misc]  # mmengine is untyped
        def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
            tune.report({"mAP": metrics.get("coco/bbox_mAP", 0.0)})

    runner = Runner.from_cfg(config)
    runner.register_hook(Report(), priority="LOWEST")
    runner.train()


def glue(trials: int, concurrent: int) -> None:
    """Run the hand-written search; print its number of epochs and best value as JSON."""
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    distillation = "model.distillation."
    space = {
        distillation + "loss_weight": tune.loguniform(1, 10),
        distillation + "key_weight": tune.loguniform(0.3, 5),
        distillation + "weak_weight": tune.loguniform(0.3, 5),
        distillation + "rest_weight": tune.loguniform(0.1, 3),
        distillation + "select": tune.choice(["threshold", "quantile"]),
        distillation + "weak_threshold": tune.choice([0.32, 0.54, 0.7, 0.88, 1.2, 1.55, 2.3]),
        distillation + "quantile": tune.loguniform(0.03, 0.3),
        "optim_wrapper.optimizer.lr": tune.loguniform(4e-3, 3e-2),
    }
    first = {
        distillation + "loss_weight": 3.0,
        distillation + "key_weight": 1.0,
        distillation + "weak_weight": 1.0,
        distillation + "rest_weight": 1.0,
        distillation + "select": "threshold",
        distillation + "weak_threshold": 1.2,
        distillation + "quantile": 0.1,
        "optim_wrapper.optimizer.lr": 1.2e-2,
    }
    results = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="mAP",
            mode="max",
            num_samples=trials,
            max_concurrent_trials=concurrent,
            search_alg=OptunaSearch(points_to_evaluate=[first], seed=0),
            scheduler=ASHAScheduler(max_t=EPOCHS, grace_period=GRACE, reduction_factor=REDUCTION),
        ),
        run_config=tune.RunConfig(storage_path=str(Path("glue").resolve()), verbose=0),
    ).fit()
    epochs = [result.metrics["training_iteration"] for result in results if result.metrics]
    best = results.get_best_result().metrics["mAP"]
    print(json.dumps({"epochs": sum(epochs), "trials": len(epochs), "best": best}))


def ours_command(name: str, trials: int, concurrent: int, students: int) -> list[str]:
    values = {
        "name": name,
        "trials": trials,
        "baseline": "false",
        "epochs": EPOCHS,
        "scheduler": f"{{type: asha, grace_epochs: {GRACE}, reduction: {REDUCTION}}}",
        "resources.concurrent": concurrent,
        "resources.students": students,
        "tracking.enabled": "false",
    }
    settings = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    return ["-m", "tid_tune", "run", "search_spaces/digits_gfl_tid.yaml", *settings]


def epochs_of(run: Path) -> dict[str, Any]:
    from tid_tune.results.costs import trial_cost
    from tid_tune.results.run_folder import RunFolder

    folder = RunFolder(run)
    costs = [trial_cost(trial) for trial in folder.state.trials.values()]
    best = folder.winner
    value = best.last.metrics["coco/bbox_mAP"] if best and best.last else None
    return {"epochs": sum(c.epochs for c in costs), "trials": len(costs), "best": value}


def run_arm(arm: str, number: int, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    name = f"{arm}-{number}".replace(" ", "_")
    arguments = [str(Path(__file__).resolve()), "--glue", str(options.trials)]
    arguments += ["--concurrent", str(options.concurrent)]
    if arm in STUDENTS:
        arguments = ours_command(name, options.trials, options.concurrent, STUDENTS[arm])
    log = folder / f"{name}.log"
    paths = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    cost = process_tree.run(
        [sys.executable, "-P", *arguments], folder, {**ONE_THREAD, "PYTHONPATH": paths}, log
    )
    if arm in STUDENTS:
        found = epochs_of(folder / "runs" / name)
    else:
        lines = [line for line in log.read_text().splitlines() if line.startswith('{"epochs"')]
        found = json.loads(lines[-1])
    each = {
        "cpu_per_epoch": cost.cpu / found["epochs"],
        "wall_per_epoch": cost.wall / found["epochs"],
    }
    return {**found, "cpu": cost.cpu, "wall": cost.wall, **each}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--concurrent", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--home", type=Path, default=ROOT, help="has the demo's data/ and runs/")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--glue", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.glue:
        glue(options.glue, options.concurrent)
        return
    arms: dict[str, list[dict[str, float]]] = {arm: [] for arm in (*STUDENTS, GLUE)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for place in LINKED:
            (folder / place).parent.mkdir(exist_ok=True)
            home = ROOT if (ROOT / place).exists() else options.home
            (folder / place).symlink_to((home / place).resolve())
        for number in range(options.rounds):
            for arm, runs in arms.items():
                runs.append(run_arm(arm, number, folder, options))
                print(arm, runs[-1], file=sys.stderr)
    medians = {
        arm: {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]}
        for arm, runs in arms.items()
    }
    ratios = {
        arm: [
            round(ours["cpu_per_epoch"] / theirs["cpu_per_epoch"], 3)
            for ours, theirs in zip(arms[arm], arms[GLUE], strict=True)
        ]
        for arm in STUDENTS
    }
    result = {
        "trials": options.trials,
        "epochs_of_a_trial": EPOCHS,
        "concurrent": options.concurrent,
        "load_average": round(os.getloadavg()[1], 1),
        "medians": medians,
        "cpu_per_epoch_over_glue": ratios,
        "runs": arms,
    }
    publish(result, options.out)


if __name__ == "__main__":
    main()
