"""`tid-tune init`: a folder of the user's, from a shipped search space."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from support.init_command import ALL, assert_self_contained, commands, init, refusal
from typer.testing import CliRunner

from tid_tune import searchfile
from tid_tune.cli import app
from tid_tune.openmmlab.configs import load_config
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.tree import parse
from tid_tune.shipped import files
from tid_tune.shipped.search_text import COMMENTS, flow


@pytest.mark.parametrize("name", ALL)
@pytest.mark.usefixtures("empty")
def test_a_copy_is_complete_and_searches_what_the_shipped_space_does(name: str) -> None:
    assert init("mine", "--from", name).exit_code == 0
    assert_self_contained(Path("mine"))
    shipped = files.find_space(name)
    copied = searchfile.load("mine/search.yaml", check_files=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(files.root())
        original = searchfile.load(shipped.path, check_files=False)
    place = {"source": None, "trial": None, "name": ""}
    assert copied.model_copy(update=place) == original.model_copy(update=place)
    ours, theirs = (
        load_config(copied.trial, imports=False),
        load_config(original.trial, imports=False),
    )
    assert ours.model.teacher.pop("config").startswith("mine/configs/")
    theirs.model.teacher.pop("config")
    assert ours.to_dict() == theirs.to_dict()


@pytest.mark.usefixtures("empty")
def test_the_yaml_opens_with_its_command_and_comments_every_line() -> None:
    init("mine")
    lines = Path("mine/search.yaml").read_text().splitlines()
    assert lines[1] == "# tid-tune run mine/search.yaml"
    for before, line in itertools.pairwise(lines):
        continued = line.startswith("    ")  # of a parameter that is too long for one line
        if line and not line.lstrip().startswith("#") and not continued:
            assert before.lstrip().startswith("#"), line
    assert max(map(len, lines)) <= 100
    assert json.loads(Path("mine/schema.json").read_text())["title"] == "tid-tune search space"


def test_every_field_of_a_search_space_has_a_comment() -> None:
    assert set(COMMENTS) == {*searchfile.source.KEYS} - {"base"}


@pytest.mark.usefixtures("empty")
def test_next_are_the_data_the_teacher_and_the_run() -> None:
    result = init("mine")
    assert result.exit_code == 0
    assert "not there yet" in result.output
    assert commands(result.output) == [
        "tid-tune data digits --out data/digits",
        "tid-tune train mine/configs/gfl_teacher.py --work-dir runs/teacher-digits-gfl",
        "tid-tune run mine/search.yaml",
    ]


@pytest.mark.usefixtures("with_data")
def test_what_is_there_is_checked_and_not_asked_for() -> None:
    teacher = Path("runs/teacher-digits-gfl/checkpoint.pth")
    teacher.parent.mkdir(parents=True)
    teacher.touch()
    output = init("mine").output
    assert "no errors" in output
    assert "cannot run yet" not in output
    assert "stage" in output
    assert "trainings" in output
    assert commands(output) == ["tid-tune run mine/search.yaml"]


@pytest.mark.usefixtures("empty")
def test_a_published_teacher_is_downloaded_to_where_the_config_expects_it() -> None:
    *_, download, run = commands(init("mine", "--from", "coco_gfl_r18_tid").output)
    checkpoint = load_config("mine/configs/gfl_r18_tid.py", imports=False).model.teacher.checkpoint
    assert download.startswith(f"curl --location --create-dirs --output {checkpoint} https://")
    assert run == "tid-tune run mine/search.yaml"


@pytest.mark.usefixtures("empty")
def test_what_exists_is_never_touched() -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    Path("file").write_text("a file")
    Path("link").symlink_to("nowhere")
    for name in ("mine", "file", "link"):
        result = init(name)
        assert name in str(result.exception)
        assert "exists" in str(result.exception)
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]
    assert Path("file").read_text() == "a file"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--from", "digits_gfl"), ("--from", "digits_gfl_tid")),
        (("--student", "nope.py"), ("--student", "nope.py", "no such file")),
        (("--teacher-config", "nope.py"), ("--teacher-config", "nope.py", "no such file")),
        (("--teacher-checkpoint", "a.pth"), ("--teacher-checkpoint", "a.pth", "trains")),
        (("--data", "nope"), ("--data", "nope", "no such")),
        (("--data", "street/train"), ("--data", "street/train", "COCO", "VOC")),
        (("--student", "text.txt"), ("--student", "text.txt", "Python")),
        (("--student", "broken.py"), ("--student", "broken.py", "SyntaxError")),
        (("--student", "other.py"), ("--student", "other.py", "no model", "mmdet detector")),
        (("--student", "headless.py"), ("--student", "headless.py", "bbox_head", "GFL")),
        (("--student", "distiller.py"), ("--student", "distiller.py", "Distiller", "plain")),
        (("--student", "mmdet::gfl/gfl_r5.py"), ("--student", "mmdet::gfl/gfl_r5.py", "exist")),
        (("--student", "bare.py", "--data", "street"), ("bare.py", "train_dataloader", "--data")),
        (("--data", "street", "--from", "digits_gfl_tid", "--teacher-config", "coco.py"),
         ("fit", "num_classes", "--teacher-config", "--data")),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("with_data")
def test_a_wrong_option_is_one_message_and_leaves_nothing(
    options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    Path("text.txt").write_text("no config")
    Path("broken.py").write_text("model = dict(")
    Path("other.py").write_text("learning_rate = 3")
    Path("headless.py").write_text("model = dict(type='FasterRCNN', roi_head=dict())")
    Path("distiller.py").write_text("model = dict(type='Distiller')")
    Path("bare.py").write_text("model = dict(type='GFL', bbox_head=dict(type='GFLHead'))")
    Path("coco.py").write_text('_base_ = "mmdet::gfl/gfl_r50_fpn_1x_coco.py"')
    message = refusal("mine", *options)
    for word in words:
        assert word in message
    assert "Traceback" not in message


@pytest.mark.parametrize("name", ["a b", "-x", "quo'te/mine", "bra{ce}/mine", "mine."])
@pytest.mark.usefixtures("empty")
def test_a_name_that_cannot_be_written_into_the_files_is_refused(name: str) -> None:
    result = CliRunner().invoke(app, ["init", "--", name])
    assert result.exit_code != 0
    assert "expected" in str(result.exception)
    assert list(Path.cwd().iterdir()) == []


TEXTS = (
    "word|two words|1 epoch|true|No|null|~||1.5|1e3|007|0x1f|1 2|2001-01-01|a: b|x:y|a #b|a,b|[|-|="
)


@pytest.mark.parametrize(
    "value",
    [
        *TEXTS.split("|"),
        "ü",
        "coco/mAP",
        True,
        None,
        0.004,
        1e-7,
        3,
        3.0,
        {"a b": [1, {"c": None}]},
        [],
    ],
)
def test_flow_text_reads_as_the_value(value: object) -> None:
    problems = Problems()
    tree = parse(f"x: {flow(value)}", "text", problems)
    assert not problems.lines
    assert tree is not None
    read = tree.plain()["x"]
    assert (read, type(read)) == (value, type(value))
