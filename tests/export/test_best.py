"""`best/` of a run folder: the plain student of the best trial."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.export_models import WEIGHT, write_config
from support.search_cases import learning_curve, make_spec

from tid_tune.errors import ConfigError
from tid_tune.export.best import write_best
from tid_tune.export.folder import export_student
from tid_tune.export.origin import Origin, origin_of
from tid_tune.export.runs import find_student
from tid_tune.openmmlab.checkpoints import load_state
from tid_tune.report.result import write_result
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.simulate import simulate
from tid_tune.searchfile import load
from tid_tune.searchfile.model import Confirm
from tid_tune.space import Params


def best_of(folder: Path) -> RunFolder:
    run = RunFolder(folder)
    write_best(run.state, run.spec, run, run.trial())
    return run


def test_best_has_what_export_writes(run_folder: Path, tmp_path: Path) -> None:
    found = find_student(RunFolder(run_folder))
    exported = export_student(found.config, found.checkpoint, tmp_path / "out", origin=found.origin)
    run = best_of(run_folder)
    for file in exported.files:
        if file.suffix != ".pth":
            assert (run.best / file.name).read_text() == file.read_text(), file.name
    ours: Any = load_state(run.best / "checkpoint.pth")
    theirs: Any = load_state(exported.checkpoint)
    assert ours["meta"] == theirs["meta"]
    assert set(ours) == {"meta", "state_dict"}
    assert ours["state_dict"].keys() == theirs["state_dict"].keys()
    assert not any(name.startswith(("student.", "method.")) for name in ours["state_dict"])


def test_the_student_that_is_there_is_not_written_again(run_folder: Path) -> None:
    checkpoint = best_of(run_folder).best / "checkpoint.pth"
    os.utime(checkpoint, (1, 1))
    best_of(run_folder)
    assert checkpoint.stat().st_mtime == 1
    (run_folder / "best" / "README.md").unlink()  # as after a driver that was killed
    best_of(run_folder)
    assert checkpoint.stat().st_mtime > 1
    checkpoint.unlink()
    best_of(run_folder)
    assert checkpoint.is_file()


def test_the_card_has_gain_seed_values_and_the_confirmation() -> None:
    spec = make_spec(trials=8, confirm=Confirm(top=2, seeds=3))
    search = simulate(spec, learning_curve)
    state = search.state
    assert state.result is not None
    winner = state.trials[str(state.result.winner)]
    origin = origin_of(state, spec, winner)
    alone = next(t for t in state.trials.values() if t.label == "none" and t.stage == "baseline")
    gain = winner.value("coco/bbox_mAP") - alone.value("coco/bbox_mAP")  # type: ignore[operator]
    assert origin.gain == pytest.approx(gain)
    assert origin.baseline == pytest.approx(alone.value("coco/bbox_mAP"))
    card = origin.card()
    for words in (winner.id, "seed 0", f"{gain:+.3f}", f"weight: {winner.params['weight']}"):
        assert words in card
    assert state.result.text in card
    others = [t for t in state.trials.values() if t.stage == "search" and t.id != winner.id]
    assert all(state.result.text not in origin_of(state, spec, t).card() for t in others)


@pytest.mark.parametrize("form", ["named", "pasted"])
def test_the_values_are_a_point_to_start_another_search_from(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    point: Params = {
        "optim_wrapper.optimizer.lr": 1.2345678901234567e-05,
        "optim_wrapper.clip_grad": {"max_norm": 35, "note": "a: b # c"},
        "optim_wrapper.optimizer.type": "SGD",
    }
    write_config(Path("config.py"), "GFL", "data")
    with Path("config.py").open("a") as file:
        file.write("optim_wrapper.update(clip_grad=None)\n")
    origin = Origin("demo", "t0006", point, 0, 1.0, {}, "coco/bbox_mAP")
    Path("values.yaml").write_text(origin.values())
    start = "values.yaml" if form == "named" else "\n" + origin.values()
    Path("search.yaml").write_text(
        "name: next\ntrial: config.py\nspace:\n"
        "  optim_wrapper.optimizer.lr: {log_uniform: [1e-6, 1e-2]}\n"
        "  optim_wrapper.clip_grad: {choice: [null, {max_norm: 35, note: 'a: b # c'}]}\n"
        f"  optim_wrapper.optimizer.type: {{choice: [SGD, Adam]}}\nstart_from: {start}"
    )
    assert load("search.yaml", check_files=False).start_from == (point,)


def test_a_student_that_cannot_be_written_does_not_cost_the_result(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(run_folder)
    (run_folder / "best").write_text("a file in the way")
    result = write_result(run.state, run.spec, run)
    result.show(seconds=1)
    output = capsys.readouterr().out
    assert "best: t0002" in output
    assert "warning: the student is not in" in output
    assert "trials/t0002/step_000001.pth" in "".join(output.split())
    assert run.leaderboard_text.is_file()
    assert not any(Path(path).name == "best" for path in result.artifacts)


def test_the_summary_says_what_best_is(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(run_folder)
    result = write_result(run.state, run.spec, run)
    result.show(seconds=1)
    output = capsys.readouterr().out
    assert "plain mmdet config and weights" in output
    assert "values.yaml" in output
    assert "tid-tune export" in output
    assert str(run.best) in result.artifacts


def test_what_a_trainable_of_the_users_own_saves_is_copied(run_folder: Path) -> None:
    run = RunFolder(run_folder)
    spec = run.spec.model_copy(update={"trainable": "mine.py:Mine"})
    checkpoint = run.checkpoint(run.trial())
    assert checkpoint is not None
    checkpoint.write_text("anything")
    write_best(run.state, spec, run, run.trial())
    assert (run.best / "checkpoint.pth").read_text() == "anything"
    assert WEIGHT.rpartition(".")[2] in (run.best / "config.py").read_text()
    assert not (run.best / "README.md").exists()


def test_damaged_weights_are_an_error_of_the_shipped_trainable(run_folder: Path) -> None:
    run = RunFolder(run_folder)
    checkpoint = run.checkpoint(run.trial())
    assert checkpoint is not None
    checkpoint.write_text("anything")
    with pytest.raises(ConfigError, match=r"step_000001\.pth is not a PyTorch checkpoint"):
        write_best(run.state, run.spec, run, run.trial())


def test_mmdets_inferencer_finds_a_visualizer(tmp_path: Path) -> None:
    from tid_tune.export.plain import plain_config
    from tid_tune.openmmlab.configs import load_config

    config = load_config(write_config(tmp_path / "c.py", "GFL", "data"))
    assert plain_config(config).visualizer.type == "DetLocalVisualizer"
    config.visualizer = {"type": "Mine"}
    assert plain_config(config).visualizer.type == "Mine"
