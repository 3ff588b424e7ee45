"""The JSON Schema of a search-space file: editors complete and check by it.

It covers what can be checked in one file by itself. What needs two fields, the config or the disk
is checked by `load` only.
"""

from __future__ import annotations

import json

from tid_tune import dotted
from tid_tune.models import Model
from tid_tune.searchfile.parts import DEFAULT_TYPES, FEW_TRIALS, Section, options_types
from tid_tune.searchfile.source import SECTIONS, Header
from tid_tune.searchfile.transfer import TransferText
from tid_tune.space import Schema, yaml_forms

_NULL: Schema = {"type": "null"}
_PARTS: dict[Section, str] = {
    "sampler": "How the next point of the space is proposed. Without a type: gp for up to "
    f"{FEW_TRIALS} trials, tpe for more.",
    "scheduler": "Which trials are stopped before their full length.",
}


def json_schema() -> Schema:
    """Return the schema (draft-07, which editors know best) as plain values."""
    properties: Schema = {"base": _base()}
    for name, field in _fields_of(Header).items():
        properties[name] = field
    for section in DEFAULT_TYPES:
        properties[section] = _part(section)
    for name, model in SECTIONS.items():
        properties[name] = _section(name, model)
    properties["method"] = _method()
    properties["space"] = _space()
    properties["require"] = {
        "description": "Comparisons that must hold, e.g. key_threshold > weak_threshold.",
        "type": "array",
        "items": {"type": "string", "pattern": "(<=|>=|==|!=|<|>)"},
    }
    properties["start_from"] = _start_from()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "tid-tune search space",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _or_null(schema) for name, schema in properties.items()},
        "if": {"not": {"required": ["base"]}},
        "then": {"required": ["name", "trial", "space"]},
        "definitions": {"parameter": _parameter()},
    }


def schema_text() -> str:
    """Return the schema as the text of search_spaces/schema.json."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _fields_of(model: type[Model]) -> Schema:
    schema = model.model_json_schema()
    return {name: _tidy(field) for name, field in schema["properties"].items()}


def _tidy(schema: Schema) -> Schema:
    """Return a schema without the titles that pydantic adds."""
    return {key: value for key, value in schema.items() if key != "title"}


def _or_null(schema: Schema) -> Schema:
    """Allow null too: it removes what a base file sets."""
    options = schema.get("anyOf", [])
    if _NULL in options:
        return schema
    body = {key: value for key, value in schema.items() if key not in ("description", "default")}
    outer: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    return {**outer, "anyOf": [*(options or [body]), _NULL]}


def _section(name: str, model: type[Model]) -> Schema:
    alternatives = [_map_of(_fields_of(model))]
    if name == "confirm":
        alternatives.append({"type": "boolean"})
    return {"description": _first_line(model), "anyOf": alternatives}


def _part(section: Section) -> Schema:
    """Return a map of the options of one type for each type, or the type alone."""
    types = options_types(section)
    alternatives: list[Schema] = []
    for name, model in types.items():
        body = _map_of(_fields_of(model))
        if name in DEFAULT_TYPES[section]:
            body["properties"]["type"] = _or_null({"const": name})
        else:
            # Not null: that is the type of the default.
            body |= {"required": ["type"]}
            body["properties"]["type"] = {"const": name}
        alternatives.append({"title": name, "description": _first_line(model), **body})
    alternatives.append({"enum": list(types)})
    return {"description": _PARTS[section], "anyOf": alternatives}


def _map_of(fields: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {key: _or_null(field) for key, field in fields.items()},
    }


def _first_line(model: type[Model]) -> str:
    return (model.__doc__ or "").split("\n")[0]


def _base() -> Schema:
    text: Schema = {"type": "string", "minLength": 1}
    return {
        "description": "Files to build on, relative to this one; later ones and this one win.",
        "anyOf": [text, {"type": "array", "items": text}],
    }


def _method() -> Schema:
    from tid_tune.distill.registry import METHODS

    one = {"enum": METHODS.names()}
    several = {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}
    return {
        "description": "The distillation method; several are compared under equal budget.",
        "anyOf": [one, several],
    }


def _start_from() -> Schema:
    transfer = {
        "type": "object",
        "additionalProperties": False,
        "required": ["run"],
        "properties": {key: _or_null(field) for key, field in _fields_of(TransferText).items()},
    }
    file = {"type": "string", "minLength": 1}
    points = {"type": "array", "items": {"anyOf": [{"type": "object"}, file]}}
    return {
        "description": "Points to try first, a file of points such as runs/NAME/best/values.yaml, "
        "or the best trials of an earlier run.",
        "anyOf": [points, file, transfer],
    }


def _space() -> Schema:
    return {
        "description": "Dotted paths into the config, each with a distribution or a value.",
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{dotted.PATH.pattern}$", "maxLength": 300},
        "properties": _options(),
        "additionalProperties": {"$ref": "#/definitions/parameter"},
    }


def _options() -> Schema:
    """Make the options of the methods known, so that an editor completes their paths."""
    from tid_tune.distill.registry import METHODS, option_for

    found: Schema = {}
    for key in sorted({"method"}.union(*(method.options() for method in METHODS.parts().values()))):
        option = option_for(key)
        found[f"model.distillation.{key}"] = {
            "description": f"{option.doc} Allowed: {option.allowed}.",
            "allOf": [{"$ref": "#/definitions/parameter"}],
        }
    return found


def _parameter() -> Schema:
    forms = yaml_forms()
    value = {"type": ["string", "number", "boolean"]}
    condition = {"anyOf": [value, {"type": "null"}, {"type": "array", "minItems": 1}]}
    properties: Schema = {
        name: {**form.schema, "description": form.meaning} for name, form in forms.items()
    }
    properties["when"] = {
        "description": "Active only while each of these parameters has the value, or one of them.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": condition,
    }
    owners: dict[str, list[str]] = {}
    for name, form in forms.items():
        for option, schema in form.options.items():
            properties.setdefault(option, schema)
            owners.setdefault(option, []).append(name)
    distribution = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "dependencies": {
            option: {"anyOf": [{"required": [name]} for name in names]}
            for option, names in owners.items()
        },
        "oneOf": [{"required": [name]} for name in forms],
    }
    return {"anyOf": [distribution, value, {"type": "array"}, _NULL]}
