"""The options of the cache; torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from tid_tune.errors import ConfigError, suggestion
from tid_tune.models import Model, Positive, problems

CACHE_PATH = "model.teacher.cache"
FOLDER = "runs/.teacher-cache"


class CacheSettings(Model):
    """Keep the teacher's work on disk: each image and view is passed through the teacher once."""

    dir: Annotated[str, Field(min_length=1)] = FOLDER
    """A folder on a disk of this machine, shared by all its trials and searches."""
    gib: Positive = 50
    """Size limit of the folder. At the limit, caches that no process uses are removed, the least
    recently used first; after that, nothing new is written."""
    precision: Literal["float16", "float32"] = "float16"
    """Of the teacher's maps. IoU and class probability are always stored in float32."""
    store: Literal["full", "sparse"] = "full"
    """`sparse`: only the points that can be key or weak, and a weighted sample of the others."""

    @property
    def bytes(self) -> int:
        """The limit in bytes."""
        return int(self.gib * 2**30)

    @property
    def form(self) -> str:
        """The form of the entries in words."""
        return self.precision if self.store == "full" else f"{self.precision} {self.store}"

    @classmethod
    def of_config(cls, value: object) -> CacheSettings:
        """Return `model.teacher.cache` of a config.

        Raises:
            ConfigError: it has unknown keys or bad values.
        """
        if not isinstance(value, Mapping):
            raise ConfigError(f"{CACHE_PATH} is {value!r}; expected a dict of {_known()}")
        for key in value:
            if key not in cls.model_fields:
                hint = suggestion(str(key), cls.model_fields)
                raise ConfigError(f"{CACHE_PATH}.{key} is not an option of the cache; {hint}")
        try:
            return cls.model_validate(dict(value), strict=True)
        except ValidationError as error:
            raise ConfigError(f"{CACHE_PATH}: {problems(error)}") from None


def cache_edits(settings: CacheSettings | None) -> dict[str, object]:
    """Return the edit of a trial's config that gives it the cache of a search."""
    return {} if settings is None else {CACHE_PATH: settings.model_dump(mode="json")}


def require_cache(config: Mapping[str, Any], source: Path) -> None:
    """Check that the teacher of a config has a cache; `source` is its file.

    Raises:
        ConfigError: it has none.
    """
    model = config.get("model") or {}
    if not (model.get("teacher") or {}).get("cache"):
        raise ConfigError(
            f"{source} has no cache of a teacher's work; add a section `cache` to the search file, "
            f"or {CACHE_PATH} to the config"
        )


def _known() -> str:
    return ", ".join(CacheSettings.model_fields)
