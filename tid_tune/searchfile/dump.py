"""Write a SearchSpec as YAML: `load` of the text gives an equal spec."""

from __future__ import annotations

import json
import re

from tid_tune.models import Model
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Distribution, Value

_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def dump(spec: SearchSpec) -> str:
    """Return the spec as YAML, one line per field and parameter; paths are absolute."""
    lines = [f"{key}: {yaml_text(value)}" for key, value in _fields(spec).items()]
    lines.append("space:")
    for path, distribution in spec.space.items():
        lines.append(f"  {yaml_text(path)}: {yaml_text(distribution_fields(distribution))}")
    return "\n".join(lines) + "\n"


def distribution_fields(distribution: Distribution) -> dict[str, Value]:
    """Return the entry under `space` that reads as this distribution."""
    entry = distribution.to_yaml()
    if distribution.when:
        entry["when"] = {path: list(values) for path, values in distribution.when.items()}
    return entry


def interval_text(spec: SearchSpec) -> str:
    """Return the spec's `report_every` as YAML has it, for example `2000 iters`."""
    every = spec.report_every
    return f"{every.count} {every.unit}{'' if every.count == 1 else 's'}"


def _fields(spec: SearchSpec) -> dict[str, object]:
    fields: dict[str, object] = {
        "name": spec.name,
        "trial": str(spec.trial),
        "trainable": spec.trainable,
        "objectives": spec.objectives,
        "epochs": spec.epochs,
        "report_every": interval_text(spec),
        "evaluate_every": spec.evaluate_every,
        "sampler": _section(spec.sampler),
        "scheduler": _section(spec.scheduler),
        "trials": spec.trials,
        "seed": spec.seed,
        "baseline": spec.baseline,
        "budget": _section(spec.budget),
        "keep": _section(spec.keep),
        "resources": _section(spec.resources),
        "report": _section(spec.report),
        "tracking": _section(spec.tracking),
    }
    if spec.cache is not None:
        fields["cache"] = _section(spec.cache)
    if spec.method:
        fields["method"] = list(spec.method)
    if spec.require:
        fields["require"] = [constraint.text for constraint in spec.require]
    if spec.confirm is not None:
        fields["confirm"] = _section(spec.confirm)
    if spec.start_from:
        fields["start_from"] = list(spec.start_from)
    if spec.transfer is not None:
        fields["start_from"] = _section(spec.transfer)
    return fields


def _section(section: Model) -> dict[str, object]:
    """Return the options of a section that are set."""
    return section.model_dump(mode="json", exclude_none=True)


def yaml_text(value: object) -> str:
    """Return JSON, which is YAML once the characters that YAML does not print are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
