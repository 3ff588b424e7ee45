"""The JSON Schema: current on disk, and of one mind with the loader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from support.mistakes import MISTAKES, Mistake
from support.spec_samples import with_line, with_value

from tid_tune.errors import SpecError
from tid_tune.searchfile import SearchSpec
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.schema import json_schema, schema_text
from tid_tune.searchfile.tree import parse

SPACES = Path(__file__).parents[2] / "search_spaces"
VALIDATOR = jsonschema.Draft7Validator(json_schema())
BEYOND_A_SCHEMA = """
reversed range, range of a point, bound too large, step does not fit, step too wide,
step off the lattice, integer step, normal reversed, normal far off, log range,
interval too long, evaluation at the rungs of a scheduler without any, missing trainable,
objective and objectives, metric to minimize,
several ranks of a pack, several ranks of one GPU, parts of a batch in several ranks,
nothing searched, no device,
one GPU and a half, metric of another evaluator,
misspelt cost, misspelt metric, confirm too many, grace longer than training, an index in
brackets, a list alone, metric without its prefix,
cmaes with two objectives, grid of a continuum, missing config, config of another kind,
null removes nothing, path not in the config, nearest path, index out of range,
path into a number, path of a helper, text for a number, number for a map, number for a flag,
constant of no method, constant out of range, constant of another type,
fractions of a whole constant, unknown method in space, constant without its method,
constant with the wrong when, method given twice, when on an unknown parameter, when on itself,
when on a continuum, when on a value it never has, when names a parameter twice,
circle of conditions, require half, require an unknown parameter, require numbers only,
require itself, require nan, require the impossible, require order of words,
ambiguous short name, unknown parameter in a point, point out of range, point of another type,
point names one twice, point off the choice, point off the steps, point with an idle value,
point breaks a rule, missing run, start_from is a word,
a point is the name of a missing file, base is missing, base is itself, newline in the name
"""
"""Mistakes that need the config, the disk, or arithmetic on two values to be seen (and a newline
at the end, which Python's `$` lets pass and that of editors does not)."""

GOOD = [
    with_value(value)
    for value in (
        "{uniform: [0, 1]}",
        "{log_uniform: [1e-3, 1]}",
        "{quantized_uniform: [0, 1, 0.5]}",
        "{quantized_log_uniform: [0.5, 1, 0.5]}",
        "{integer: [0, 4]}",
        "{integer: [0, 4, 2]}",
        "{log_integer: [1, 4]}",
        "{choice: [1, 2, null]}",
        "{ordinal: [1]}",
        "{normal: [0, 1]}",
        "{normal: [0, 1], low: 0, high: 2}",
        "{fixed: null}",
        "0.5",
    )
] + [
    with_line(line)
    for line in (
        "sampler: tpe",
        "sampler: {type: gp, startup_trials: 5, seed: null}",
        "scheduler: none",
        "scheduler: {reduction: 2, grace_epochs: 0.5, fidelity: data}",
        "scheduler: {type: pbt, quantile: 0.5}",
        "scheduler: {type: median, min_trials: 3}",
        "objectives: {coco/bbox_mAP: max, latency_ms: min}",
        "objective: train/acc",
        "report_every: 500 iters",
        "epochs: 12.0",
        "method: tid",
        "method: [tid, none]",
        "confirm: false",
        "confirm: {top: 1}",
        "budget: {gpu_hours: 0.1, x: null}",
        "resources: {gpus: 0.5, concurrent: 2}",
        "resources: {students: 4}",
        "resources: {students: auto}",
        "scheduler: {type: asha, rule: promote}",
        "report: {areas: 4}",
        "tracking: {uri: 'http://localhost:5000', experiment: e}",
        "require: [lr > 0.2]",
        "start_from: [{lr: 0.5}]",
        "start_from: values.yaml",
        "start_from: [{}, values.yaml]",
        "trainable: trainables.mine:Mine",
        "seed: null",
    )
]


def in_schema(text: str) -> bool:
    """Whether the schema accepts the text, read with our own YAML reader as an editor would."""
    problems = Problems()
    tree = parse(text, "text", problems)
    return tree is not None and not problems and VALIDATOR.is_valid(tree.plain())


def test_the_schema_on_disk_is_current() -> None:
    assert (SPACES / "schema.json").read_text() == schema_text(), (
        "run: tid-tune schema > search_spaces/schema.json"
    )


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(json_schema())


@pytest.mark.parametrize("text", GOOD)
def test_schema_and_loader_accept_the_same_good_files(
    text: str, read: Callable[..., SearchSpec]
) -> None:
    Path("values.yaml").write_text("- lr: 0.5\n")
    assert in_schema(text)
    assert read(text)


@pytest.mark.parametrize(("name", "mistake"), MISTAKES.items(), ids=MISTAKES.keys())
def test_the_schema_refuses_every_mistake_one_file_shows(name: str, mistake: Mistake) -> None:
    accepted = in_schema(mistake.text)
    beyond = name in " ".join(BEYOND_A_SCHEMA.split()).split(", ")
    assert accepted == beyond, f"schema {'accepts' if accepted else 'refuses'} {mistake.text!r}"


@pytest.mark.parametrize("file", sorted(SPACES.glob("*.yaml")), ids=lambda file: file.name)
def test_every_shipped_search_space_fits_the_schema_it_names(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("# yaml-language-server: $schema=./schema.json\n")
    assert in_schema(text)


def test_a_file_on_a_base_may_leave_fields_to_it(read: Callable[..., SearchSpec]) -> None:
    Path("base.yaml").write_text(with_line(""))
    assert in_schema("base: base.yaml\n")
    assert read("base: base.yaml\n")
    assert not in_schema("name: alone\n")
    with pytest.raises(SpecError, match="trial: missing"):
        read("name: alone\n")
