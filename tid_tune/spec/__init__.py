"""YAML -> one validated, typed SearchSpec."""

from tid_tune.spec.loading import load
from tid_tune.spec.model import SearchSpec

__all__ = ["SearchSpec", "load"]
