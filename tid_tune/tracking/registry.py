"""The best student of a search as a version of a registered model in MLflow."""

from __future__ import annotations

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tid_tune.ledger.records import Trial
from tid_tune.results.run_folder import BEST
from tid_tune.tracking.tags import RUN_TAG, TRIAL_TAG

CHAMPION = "champion"
"""The alias of the version that the search has decided for."""
_THERE = "RESOURCE_ALREADY_EXISTS"


def register_student(
    client: MlflowClient, name: str, run: str, search: str, winner: Trial, text: str
) -> None:
    """Register the files of `best/`, which are with the run of a search, and name them champion.

    A student that is registered already is not registered again. Nothing is pickled: a version is
    the folder with the config and the weights.

    Args:
        client: of MLflow.
        name: of the registered model, which is made if it is not there.
        run: the id of the search's run in MLflow, which has the files.
        search: the id of the search, as the ledger has it.
        winner: the trial that trained the student.
        text: what the search has found, in Markdown.
    """
    version = _known(client, name, search, winner.id) or _new(
        client, name, run, {RUN_TAG: search, TRIAL_TAG: winner.id}, text
    )
    client.set_registered_model_alias(name, CHAMPION, version)


def _known(client: MlflowClient, name: str, search: str, trial: str) -> str:
    """Return the version that has a trial's student; empty where there is none."""
    for version in client.search_model_versions(f"name = '{name}'"):
        if (version.tags.get(RUN_TAG), version.tags.get(TRIAL_TAG)) == (search, trial):
            return str(version.version)
    return ""


def _new(client: MlflowClient, name: str, run: str, tags: dict[str, str], text: str) -> str:
    try:
        client.create_registered_model(
            name, description=f"Students that the search {name} has found, for mmdet."
        )
    except MlflowException as error:
        if error.error_code != _THERE:
            raise
    source = f"{client.get_run(run).info.artifact_uri}/{BEST}"
    made = client.create_model_version(name, source, run_id=run, tags=tags, description=text)
    return str(made.version)
