"""YAML -> one validated, typed SearchSpec."""

from tid_tune.searchfile.loading import load
from tid_tune.searchfile.model import SearchSpec

__all__ = ["SearchSpec", "load"]
