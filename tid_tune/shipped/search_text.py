"""Write a search space as YAML with a comment on every line a user may change."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tid_tune import dotted
from tid_tune.distill.registry import option_for
from tid_tune.errors import ConfigError
from tid_tune.searchfile.config import DISTILLATION

WIDTH = 100

COMMENTS = {
    "name": "Names the run folder, runs/{name}. Another name starts another search.",
    "trial": "The config of a trial: a Distiller around the student. It names the teacher. Paths "
    "are relative to the folder you start tid-tune in.",
    "trainable": "The Ray trainable that runs a trial.",
    "method": "The methods to compare, with the same number of trials each: none (the student "
    "alone), tid, mimic, defeat, fgd, pkd, frs, ld, crosskd.",
    "objective": "The metric to maximize, as the config's val_evaluator reports it. For several, "
    "write for example objectives: {{coco/bbox_mAP: max, gflops: min}}.",
    "objectives": "The metrics, each to be large (max) or small (min). The first one ranks.",
    "epochs": "Full length of a trial. The config's schedule is scaled to it.",
    "report_every": "How often a trial is evaluated, compared and saved: 1 epoch, or 2000 iters.",
    "evaluate_every": "report, or rungs: evaluate and save only where the scheduler compares "
    "trials, and at the end.",
    "space": "What is searched: a dotted path into the config, and its values. A value alone is "
    "fixed. Distributions: uniform, log_uniform, integer, log_integer, choice, ordinal, normal, "
    "quantized_uniform, quantized_log_uniform. `when` searches a parameter only for some values "
    "of another.",
    "require": "Comparisons that must hold between parameters.",
    "sampler": "How values are proposed. gp learns from few trials; tpe from hundreds; also cmaes, "
    "qmc, random, grid, and nsga2 for several objectives. Another seed gives other trials.",
    "scheduler": "Which trials are stopped early: asha, hyperband, median, pbt, or none. None is "
    "stopped before grace_epochs; one of `reduction` goes on.",
    "trials": "How many points are tried. With a larger number, a finished search goes on.",
    "start_from": "Points to try first; what a point leaves out is sampled. "
    "runs/NAME/best/values.yaml takes the best point of an earlier search, "
    "{{run: runs/NAME, top: 5}} its best five.",
    "baseline": "Whether the student alone and the method's defaults run first. Gains are against "
    "these.",
    "confirm": "Trains the best `top` trials and the baseline again, with `seeds` new seeds each, "
    "to show whether the gain is real.",
    "budget": "Ends the search when spent: gpu_hours, wall_hours, epochs, or x (full trainings).",
    "keep": "Which ended trials keep their weights: the `best` of each method, the baselines, the "
    "reruns of confirm.",
    "resources": "What one worker holds: cpus (its own process and its num_workers) and gpus (0 "
    "trains on the CPU). `students` trials are trained side by side in a worker, with one teacher. "
    "`ranks` processes train one trial together, each with its own cpus and gpus. "
    "`concurrent` limits how many workers run at once.",
    "cache": "Keeps what the teacher makes of each image on disk, up to `gib`, for the trials that "
    "follow: {{gib: 50, dir: DIR}}.",
    "failures": "What is tried again: `retries` after a lost worker or node; a worker without "
    "progress for `stall_minutes` counts as lost; smaller_parts tries out of memory once more.",
    "report": "Of so many validation images (`areas`), the key and weak areas are recorded at each "
    "evaluation, for the report.",
    "tracking": "The MLflow experiment; `tid-tune ui RUN` shows it.",
    "seed": "Seeds the training of every trial.",
}
"""The fields in the order they are written, each with its comment."""

SUGGESTED = {
    "confirm": {"top": 2, "seeds": 3},
    "budget": {"gpu_hours": 40},
    "start_from": [{"loss_weight": 3.0}],
}
"""Fields that are written as comments where a search space lacks them."""

PARAMETERS = {
    "lr": "Learning rate.",
    "weight_decay": "Weight decay.",
    "batch_size": "Images an iteration.",
    "feat_channels": "Channels of the head.",
    "stacked_convs": "Convolutions of the head's towers.",
    "end": "Where this part of the schedule ends.",
}
"""Comments on parameters that are no options of a method, by the last part of their path."""

_PLAIN = re.compile(r"(?:[A-Za-z_]|\d+ [a-z])[\w./-]*(?: [\w./-]+)*")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "none"}


def search_text(fields: Mapping[str, Any], path: Path, about: Sequence[str]) -> str:
    """Return the YAML of a search space; `about` are paragraphs for its header."""
    lines = [
        "# yaml-language-server: $schema=./schema.json",
        f"# tid-tune run {path.as_posix()}",
        "#",
    ]
    for paragraph in about:
        lines += [*_comment(paragraph), "#"]
    lines += _comment(f"After a change, check it: tid-tune validate {path.as_posix()}")
    for key, comment in COMMENTS.items():
        if key not in fields and key not in SUGGESTED:
            continue
        lines += ["", *_comment(comment.format(name=fields["name"]))]
        if key == "space":
            lines += ["space:", *_space_lines(fields["space"])]
        elif key in fields:
            lines.append(f"{key}: {flow(fields[key])}")
        else:
            lines.append(f"# {key}: {flow(SUGGESTED[key])}")
    return "\n".join(lines) + "\n"


def _space_lines(space: Mapping[str, object]) -> list[str]:
    lines: list[str] = []
    for path, values in space.items():
        lines += _comment(_meaning(path), indent="  ")
        line = f"  {flow(path)}: {flow(values)}"
        if len(line) > WIDTH and isinstance(values, Mapping):
            lines.append(f"  {flow(path)}:")
            lines += [f"    {flow(key)}: {flow(value)}" for key, value in values.items()]
        else:
            lines.append(line)
    return lines


def _meaning(path: str) -> str:
    """Return one line about a parameter."""
    key = dotted.last(path)
    if path.startswith(f"{DISTILLATION}."):
        try:
            return option_for(path.removeprefix(f"{DISTILLATION}.")).doc
        except ConfigError:  # not one of ours: validate will say so
            pass
    return PARAMETERS.get(key, f"{key} of the config's {dotted.parent(path)}.")


def _comment(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def flow(value: object) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
