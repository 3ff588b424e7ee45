"""A search that meets one fault after the other, and its MLflow."""

from __future__ import annotations

import signal
import time
from typing import Any

from faults.mlflow_server import MlflowServer
from faults.scene import Scene

from tid_tune.ledger.events import Reported


class Story:
    """The search, and its MLflow."""

    def __init__(self, scene: Scene, mlflow: MlflowServer) -> None:
        self.scene, self.mlflow = scene, mlflow
        self.track(f"sqlite:///{mlflow.database}")
        self.gone = 0.0
        self.spare: Any = None

    def track(self, uri: str) -> None:
        """Let MLflow be there from the next start on."""
        self.options: tuple[str, ...] = (
            "--set",
            "tracking.enabled=true",
            "--set",
            f"tracking.uri={uri}",
        )

    def run(self, trials: int = 1, harm: str = "") -> None:
        """Let the search run, and wait until so many trials have reported."""
        now = time.time()
        self.scene.start(*self.options, harm=harm)
        self.scene.wait(lambda: len(self.scene.news(now)) >= trials)

    def end(self, *numbers: signal.Signals) -> int:
        """Send signals to the driver, and return its exit code."""
        self.run()
        self.scene.mark()
        assert self.scene.process is not None
        for number in numbers:
            self.scene.process.send_signal(number)
            time.sleep(0.3)
        code = self.scene.finish()
        assert "Traceback" not in self.scene.output
        return code

    def missing(self) -> set[tuple[str, int]]:
        """The reports that are not in MLflow."""
        reported = {(e.trial, round(e.epoch)) for e in self._reports()}
        return reported - self.mlflow.reports()

    def copied(self, until: float) -> bool:
        """Whether what was reported until a time is in MLflow."""
        late = {(e.trial, round(e.epoch)) for e in self._reports() if e.time > until}
        return self.missing() <= late

    def _reports(self) -> list[Reported]:
        events = self.scene.events()
        return [e for e in events if isinstance(e, Reported) and not e.repeated]
