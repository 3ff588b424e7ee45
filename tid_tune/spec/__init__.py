"""YAML -> one validated, typed SearchSpec."""
