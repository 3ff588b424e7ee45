"""`tid-tune run --runs s3://...`: a driver that is killed, with its disk, loses nothing."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from support.object_store import KEYS, s3_server, s3_uri
from support.toy import OBJECTIVE, toy_value
from support.workplace import CONFIG, SPEC, Workplace

from tid_tune.ledger.events import Reported
from tid_tune.ledger.file import read_events
from tid_tune.ledger.records import Status
from tid_tune.results.run_folder import RunFolder
from tid_tune.storage.objects import Objects
from tid_tune.storage.places import Uri

pytestmark = pytest.mark.slow


def test_a_search_in_a_store_survives_its_driver_and_its_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    (tmp_path / "teacher.py").write_text('model = dict(type="GFL")')
    (tmp_path / "teacher.pth").touch()
    (tmp_path / "space.yaml").write_text(SPEC)
    own = {"TOY_SECONDS": "0.3", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for name, value in {**KEYS, **own}.items():
        monkeypatch.setenv(name, value)
    with s3_server() as endpoint:
        runs = s3_uri(endpoint, "runs")
        uri = Uri.parse(runs).child("toy")
        place = Workplace(tmp_path, "")
        options = ("--runs", runs, "--address", "local", "--set", "tracking.enabled=false")
        process = place.command("run", "space.yaml", *options)
        objects = Objects(uri)
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            there = objects.sizes("ledger")
            if any(b'"reported"' in objects.read(name) for name in there):
                break
            time.sleep(0.1)
        place.signal(process, signal.SIGKILL)
        reported = told(uri)
        assert reported
        shutil.rmtree(tmp_path / "cache")
        time.sleep(5)  # the workers of the first driver end themselves

        code, output = place.run(*options)
        assert code == 0, output
        run = RunFolder.open(str(uri))
        assert reported <= told(uri)
        assert max(told(uri).values()) == 1, "no epoch was reported twice"
        for trial in run.state.trials.values():
            assert trial.status in (Status.COMPLETED, Status.STOPPED)
            for report in trial.reports:
                assert report.metrics[OBJECTIVE] == toy_value(trial.edits, round(report.epoch))
        assert str(uri) in output
        assert {"best/checkpoint.pth", "best/config.py"} <= set(objects.sizes("best"))
        everything = [output.encode(), *(objects.read(name) for name in objects.sizes())]
        assert not [text for text in everything if KEYS["AWS_SECRET_ACCESS_KEY"].encode() in text]


def told(uri: Uri) -> Counter[tuple[str, float]]:
    """How often each epoch of each trial is reported in the store."""
    run = RunFolder.open(str(uri))
    events = [event for event in read_events(run.ledger) if isinstance(event, Reported)]
    return Counter((event.trial, event.epoch) for event in events)
