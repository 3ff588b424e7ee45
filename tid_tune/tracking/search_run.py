"""The run of a whole search in MLflow: what it is, how it stands, what it has found."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote

from mlflow.entities import Run
from PIL import Image
from ruamel.yaml import YAML

from tid_tune.ledger.events import Closed, Ended, Event, Opened, Reported, ResultDecided, Started
from tid_tune.ledger.records import Trial
from tid_tune.passwords import without_secrets
from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.context import Context
from tid_tune.tracking.names import search_name
from tid_tune.tracking.summary import description, done, figures, search_params
from tid_tune.tracking.tags import NOTE_TAG, RUN_TAG
from tid_tune.tracking.trial_runs import milliseconds
from tid_tune.tracking.views import list_pages

DONE = "trials/done"
POINT_SECONDS = 60.0
"""Between two points at reports; at starts and ends of trials there is one besides."""
REPORT, PICTURE = "report.html", "best_so_far.png"
"""Files that the description shows."""
PICTURE_WIDTH = 720
"""Of the picture in the description, in pixels: there is so much room in a window of 1,400."""


class SearchRun:
    """Writes the run of a search."""

    def __init__(self, context: Context) -> None:
        self._spec, self._run_id = context.spec, context.run_id
        self._standing, self._subject = context.standing, context.subject
        self._client, self._writer = context.client, context.writer
        self._files = context.files
        self._status, self._failed = "KILLED", False
        self._stale = self._has_data = False
        self._shown: dict[str, float] = {}
        self._last_point, self._closed = -math.inf, 0.0
        self._done = 0
        self._note = self._name = ""
        self._described: tuple[object, ...] = ()
        self._pictures: list[str] = []
        self._known: dict[str, str] = {}
        self.run = self.experiment = ""

    def find(self, run: Run) -> None:
        """Learn how far the run in MLflow is."""
        self.run, self._known = run.info.run_id, dict(run.data.params)
        self._done = int(run.data.metrics.get(DONE, 0))
        self._note = run.data.tags.get(NOTE_TAG, "")
        self._has_data = run.inputs is not None and bool(run.inputs.dataset_inputs)

    def make(self, began: float | None = None) -> None:
        """Make the run, unless it was found, and write what the search is.

        Args:
            began: when the search was opened first, in seconds; None: now.
        """
        if not self.run:
            self.run = self._client.create_run(
                self.experiment,
                start_time=None if began is None else int(began * 1000),
                run_name=self._spec.name,
                tags={RUN_TAG: self._run_id},
            ).info.run_id
            text = without_secrets(_plain_yaml(self._spec))
            self.file("spec.yaml", lambda: self._client.log_text(self.run, text, "spec.yaml"))
        if not self._has_data:
            self._files.data(self.run)
        wanted = {**search_params(self._spec), **self._subject.params}
        new = {name: value for name, value in wanted.items() if name not in self._known}
        changed = {
            f"now.{name}": value
            for name, value in wanted.items()
            if self._known.get(name, str(value)) != str(value)
        }
        self._writer.params(self.run, new)
        self._writer.tags(self.run, changed)

    def apply(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case Opened():
                self._status, self._failed, self._stale = "KILLED", False, True
            case Started() | Ended():
                self._point(event)
            case Reported() if event.time - self._last_point >= POINT_SECONDS:
                self._point(event)
            case ResultDecided():
                self._failed = event.winner is None
            case Closed():
                self._status, self._stale = "FAILED" if self._failed else "FINISHED", True
                self._closed = event.time
                self._point(event)

    def _point(self, event: Event) -> None:
        """Add the figures that have changed, at the number of trials that are done."""
        self._last_point = event.time
        now = figures(self._standing, self._spec)
        new = {name: value for name, value in now.items() if self._shown.get(name) != value}
        self._shown = now
        step = done(self._standing)
        # Those at the last step that is there are written again: MLflow keeps each point once.
        if step >= self._done:
            self._writer.metrics(self.run, new, milliseconds(event), step)

    def flush(self, link: Callable[[Trial], str]) -> None:
        """Bring description, name and status up to date, if what they show has changed."""
        shown, over = self._what_is_shown(), self._standing.state.closed is not None
        if shown != self._described:
            self._described = shown
            pages = list_pages(self.experiment, self.run)
            note = description(self._standing, self._spec, link, pages, self._pictures)
            if note != self._note:
                self._note = note
                self._writer.tags(self.run, {NOTE_TAG: note})
        name = self._named()
        if over and self._stale:
            self._end()
        elif not over and (self._stale or name != self._name):
            self._writer.state(self.run, "RUNNING", name=name)
        self._stale, self._name = False, name

    def _what_is_shown(self) -> tuple[object, ...]:
        """Return what the description is made of. It changes with the best trials, not with all."""
        standing = self._standing
        best = tuple((trial.id, standing.gain(trial)) for trial in standing.best)
        state = standing.state
        return best, tuple(standing.levels.items()), state.result, state.closed, *self._pictures

    def interrupt(self) -> None:
        """Mark the run as one that is not running, unless the search is over."""
        self._end()

    def log_result(
        self, metrics: Mapping[str, float], artifacts: Iterable[str], link: Callable[[Trial], str]
    ) -> None:
        """Write the search's own figures, files and folders, and the status.

        A search that was interrupted is KILLED until it goes on.
        """
        finite = {key: value for key, value in metrics.items() if math.isfinite(value)}
        self._writer.metrics(self.run, finite, int(time.time() * 1000), done(self._standing))
        self._pictures = []
        for path in map(Path, artifacts):
            self.file(path.name, partial(self._log_path, path))
            self._pictures += [self._shown_file(name) for name in self._to_show(path)]
        self.flush(link)
        self._end()

    def file(self, name: str, write: Callable[[], None]) -> None:
        """Write files by `write`."""
        self._writer.files(self.run, name, write)

    def _log_path(self, path: Path) -> None:
        if path.is_dir():
            self._client.log_artifacts(self.run, str(path), artifact_path=path.name)
        else:
            self._client.log_artifact(self.run, str(path))

    def _to_show(self, path: Path) -> list[str]:
        """Return the files that belong into the description, by their names in MLflow."""
        if path.name == REPORT:
            return [path.name]
        if not (path / PICTURE).is_file():
            return []
        # A wide picture pushes what MLflow shows beside the description out of the window.
        name, picture = f"description/{PICTURE}", narrowed(path / PICTURE, PICTURE_WIDTH)
        self.file(name, partial(self._client.log_image, self.run, picture, name))
        return [name]

    def _shown_file(self, name: str) -> str:
        """Return a file of the run in Markdown: a picture, or a link to download it."""
        link = f"get-artifact?path={quote(name, safe='')}&run_uuid={self.run}"
        return f"![{name}]({link})" if name.endswith(".png") else f"[{name}]({link})"

    def _end(self) -> None:
        over = self._standing.state.closed is not None
        ended = self._closed if over else time.time()
        self._writer.state(self.run, self._status, name=self._named(), at=int(ended * 1000))

    def _named(self) -> str:
        best = self._standing.winner
        return search_name(self._spec, best, None if best is None else self._standing.gain(best))


def narrowed(path: Path, width: int) -> Image.Image:
    """Return a picture at most so many pixels wide."""
    with Image.open(path) as picture:
        picture.thumbnail((width, picture.height), Image.Resampling.LANCZOS)
        return picture.copy()


def _plain_yaml(spec: SearchSpec) -> str:
    stream = io.StringIO()
    YAML(typ="safe").dump(spec.model_dump(mode="json", exclude_none=True), stream)
    return stream.getvalue()
