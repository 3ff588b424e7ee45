"""Whether a search can use a cache of the teacher's work at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tid_tune.distill.cache.settings import CACHE_PATH, CacheSettings
from tid_tune.distill.model_config import is_distiller
from tid_tune.errors import ConfigError
from tid_tune.searchfile.problems import Fault, Problems
from tid_tune.searchfile.tree import Node


def check_cache(config: Mapping[str, object], tree: Node, problems: Problems) -> None:
    """Note a section `cache` that has no effect, or is given twice."""
    node = tree.entries.get("cache")
    if node is None or node.value is None:
        return
    teacher = _teacher(config)
    if teacher is None:
        text = "has no effect: the config's model is no Distiller with a teacher; remove it"
        problems.add(node.where, "cache", text)
    elif teacher.get("cache") is not None:
        problems.add(node.where, "cache", f"given beside {CACHE_PATH} of the config; keep one")


def check_own_cache(config: Mapping[str, object]) -> Iterator[Fault]:
    """Yield what is wrong with the cache that the config itself has."""
    teacher = _teacher(config)
    if teacher is None or teacher.get("cache") is None:
        return
    try:
        CacheSettings.of_config(teacher["cache"])
    except ConfigError as error:
        yield Fault(CACHE_PATH, f"{error}; fix the config")


def _teacher(config: Mapping[str, object]) -> Mapping[str, object] | None:
    model = config.get("model")
    if not (isinstance(model, Mapping) and is_distiller(model)):
        return None
    teacher = model.get("teacher")
    return teacher if isinstance(teacher, Mapping) else None
