"""Event files, read back by TensorBoard's own reader."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from support.search_cases import OBJECTIVE, learning_curve, make_spec

from tid_tune.errors import UsageError
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.results.existing import Existing
from tid_tune.results.ranking import leaderboard
from tid_tune.results.tensorboard_events import write_events
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, VirtualClock, simulate

pytest.importorskip("tensorboard")


def searched(ledger: Ledger | None = None, trials: int = 8) -> Search:
    def fragile(work: Assignment, epoch: float) -> dict[str, float]:
        if work.trial == "t0005" and epoch > 1:
            raise Failure("oom", "CUDA out of memory")
        return learning_curve(work, epoch)

    return simulate(make_spec(trials=trials), fragile, workers=2, ledger=ledger)


@pytest.fixture(scope="module")
def search() -> Search:
    return searched()


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def plugin(folder: Path) -> dict[str, Any]:
    """The data of the plugin of hyperparameters, by tag."""
    from tensorboard.plugins.hparams.metadata import PLUGIN_NAME
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    content = read(folder).PluginTagToContent(PLUGIN_NAME)
    return {tag: HParamsPluginData.FromString(data) for tag, data in content.items()}


def test_every_report_is_there_with_its_epoch_and_its_time(search: Search, tmp_path: Path) -> None:
    out = tmp_path / "events"
    assert write_events(search.state, search.spec, out) == len(search.state.trials)
    gains = {row.trial: row.gain for row in leaderboard(search.state, search.spec)}
    for name, trial in search.state.trials.items():
        found = read(out / name)
        assert set(found.Tags()["scalars"]) == {OBJECTIVE, "loss", "gain"}
        for tag in (OBJECTIVE, "loss"):
            shown = [(one.step, one.value, one.wall_time) for one in found.Scalars(tag)]
            expected = [
                (report.epoch, pytest.approx(report.metrics[tag], rel=1e-6), report.time)
                for report in trial.reports
            ]
            assert shown == expected
        assert found.Scalars("gain")[-1].value == pytest.approx(gains[name], abs=1e-6)


def test_the_table_of_values_has_each_trial_and_how_it_ended(
    search: Search, tmp_path: Path
) -> None:
    from tensorboard.plugins.hparams import api_pb2

    out = tmp_path / "events"
    write_events(search.state, search.spec, out)
    for name, trial in search.state.trials.items():
        data = plugin(out / name)
        values = data["_hparams_/session_start_info"].session_start_info.hparams
        assert values["seed"].number_value == trial.seed
        assert values["stage"].string_value == trial.stage
        for path, value in trial.params.items():
            kind = "string_value" if isinstance(value, str) else "number_value"
            assert getattr(values[path], kind) == value
        failed = trial.status is Status.FAILED
        status = data["_hparams_/session_end_info"].session_end_info.status
        assert status == (api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS)
    experiment = plugin(out)["_hparams_/experiment"].experiment
    assert [metric.name.tag for metric in experiment.metric_infos] == [OBJECTIVE, "gain"]
    assert {"weight", "select", "stage"} <= {info.name for info in experiment.hparam_infos}


def test_a_folder_is_extended_and_replaced_by_its_own_search_only(tmp_path: Path) -> None:
    ledger, out = Ledger.in_memory(clock=VirtualClock()), tmp_path / "events"
    first = searched(ledger, 4)
    write_events(first.state, first.spec, out)
    later = searched(ledger, 6)
    with pytest.raises(UsageError, match="--extend"):
        write_events(later.state, later.spec, out)
    assert write_events(later.state, later.spec, out, Existing.EXTEND) == 2
    assert write_events(later.state, later.spec, out, Existing.OVERWRITE) == 8
    other = searched(trials=2)
    with pytest.raises(UsageError, match="has the trials of test"):
        write_events(other.state, other.spec, out, Existing.OVERWRITE)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="something else"):
        write_events(other.state, other.spec, tmp_path / "notes", Existing.OVERWRITE)


def test_without_tensorboard_the_message_says_how_to_get_it(
    search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "tensorboard":
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UsageError, match="pip install tensorboard"):
        write_events(search.state, search.spec, tmp_path / "events")
    assert not (tmp_path / "events").exists()
