"""Fields that are each right but do not go together."""

from __future__ import annotations

from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import refusals
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.tree import Node


def check_together(spec: SearchSpec, tree: Node, problems: Problems) -> None:
    """Note every contradiction between fields of a spec whose fields are valid."""
    for refusal in refusals(spec):
        _note(tree, *refusal.field, refusal.text, problems)
    _check_interval(spec, tree, problems)
    _check_evaluation(spec, tree, problems)
    _check_resources(spec, tree, problems)
    if spec.baseline and all(found.size == 1 for found in spec.space.values()):
        text = "nothing is searched: all have one value, which the baseline tries; "
        text += "give a parameter a range, or set baseline: false"
        _note(tree, "space", None, text, problems)
    _check_confirm(spec, tree, problems)


def _check_confirm(spec: SearchSpec, tree: Node, problems: Problems) -> None:
    confirm, share = spec.confirm, spec.trials_per_method
    if confirm is None:
        return
    if confirm.top > share:
        each = f"the {share} trials of each method" if len(spec.method) > 1 else f"trials = {share}"
        text = f"{confirm.top} is more than {each}; confirm fewer"
        _note(tree, "confirm", "top", text, problems)
    if confirm.until is None:
        return
    if not spec.baseline and "none" not in spec.method:
        text = "there is no baseline to measure a difference to; set baseline: true"
        _note(tree, "confirm", "until", text, problems)
    if confirm.max_seeds < confirm.seeds:
        text = f"{confirm.max_seeds} is less than seeds = {confirm.seeds}"
        _note(tree, "confirm", "max_seeds", text, problems)


def _check_interval(spec: SearchSpec, tree: Node, problems: Problems) -> None:
    every = spec.report_every
    if every.unit == "epoch" and every.count > spec.epochs:
        text = f"{every.count} epochs are more than epochs = {spec.epochs}; report at least once"
        _note(tree, "report_every", None, text, problems)


def _check_evaluation(spec: SearchSpec, tree: Node, problems: Problems) -> None:
    if spec.evaluate_every == "rungs" and spec.scheduler.rungs(spec.epochs) is None:
        kind = spec.scheduler.type
        text = f"the scheduler {kind} compares trials at every report; leave evaluate_every out, "
        text += "or take a scheduler with rungs, such as asha"
        _note(tree, "evaluate_every", None, text, problems)


def _check_resources(spec: SearchSpec, tree: Node, problems: Problems) -> None:
    gpus, ranks = spec.resources.gpus, spec.resources.ranks
    if ranks > 1 and spec.resources.packs:
        text = f"{spec.resources.students}: a trial of {ranks} ranks is trained alone; set it to "
        text += "1, or ranks to 1"
        _note(tree, "resources", "students", text, problems)
    if ranks > 1 and 0 < gpus < 1:
        text = f"{gpus:g}: each of the {ranks} ranks needs a GPU of its own; set it to 1, or to 0 "
        text += "for the CPU"
        _note(tree, "resources", "gpus", text, problems)
    if ranks > 1 and spec.failures.smaller_parts:
        text = (
            f"true: a trial of {ranks} ranks trains a part of each batch in each of them already; "
        )
        text += "set it to false, and more ranks"
        _note(tree, "failures", "smaller_parts", text, problems)
    if not gpus and not spec.resources.cpus:
        text = "0 and no GPU either: a trial needs a device; raise cpus or gpus"
        _note(tree, "resources", "cpus", text, problems)
    if gpus > 1 and not gpus.is_integer():
        text = f"{gpus:g}: only one GPU can be shared; write a whole number, or less than 1"
        _note(tree, "resources", "gpus", text, problems)


def _note(tree: Node, key: str, inner: str | None, text: str, problems: Problems) -> None:
    node = tree.entries.get(key, tree)
    path = key if inner is None else f"{key}.{inner}"
    if inner is not None:
        node = node.entries.get(inner, node)
    problems.add(node.where, path, text)
