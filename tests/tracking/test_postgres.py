"""MLflow over PostgreSQL has what MLflow over sqlite has."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient
from support.mlflow_story import MAP, STORY, children, copy_all, history, mirror
from support.postgres import postgres

from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.tags import OUTCOME_TAG


def test_a_search_that_is_cut_is_copied_once_to_postgresql(
    spec: SearchSpec, tmp_path: Path
) -> None:
    with postgres() as uri:
        place = (tmp_path / "files").as_uri()
        MlflowClient(uri).create_experiment(spec.name, artifact_location=place)
        for cut in (7, len(STORY)):
            copy_all(mirror(spec, uri), STORY[:cut])
        runs = children(spec, uri)
        outcomes = {name: run.data.tags.get(OUTCOME_TAG) for name, run in runs.items()}
        assert outcomes.pop("parent") is None
        assert outcomes == {"t0001": "completed", "t0002": "stopped", "t0003": "failed"}
        assert history(uri, runs["t0001"], MAP) == [(1, 0.1), (2, 0.3)]
        assert runs["parent"].data.metrics["trials/done"] == 3
        assert runs["parent"].info.run_name == f"{spec.name} 0.300"
