"""Imports all that a trial needs: torch, mmdet and the trial. Nothing is in here."""

import tid_tune.trial.pack
import tid_tune.trial.trial  # noqa: F401
from tid_tune.openmmlab.setup import prepare

prepare()
