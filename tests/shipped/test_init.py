"""`tid-tune init`: a folder of the user's, from a shipped search space and parts of one's own."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tid_tune import searchfile
from tid_tune.cli import app
from tid_tune.openmmlab.configs import load_config
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.tree import parse
from tid_tune.shipped import files
from tid_tune.shipped.search_text import COMMENTS, flow
from tid_tune.space import Fixed, LogUniform

STUDENT = """
_base_ = "mmdet::gfl/gfl_r50_fpn_1x_coco.py"
model = dict(backbone=dict(depth=18, init_cfg=None), neck=dict(in_channels=[64, 128, 256, 512]))
train_dataloader = dict(dataset=dict(
    _delete_=True, type="RepeatDataset", times=2, dataset=_base_.train_dataloader.dataset))
optim_wrapper = dict(optimizer=dict(lr=0.03))
train_cfg = dict(max_epochs=4)
"""
ALL = [space.name for space in files.spaces()]


def init(*options: object) -> Result:
    return CliRunner().invoke(app, ["init", *map(str, options)])


def refusal(*options: object) -> str:
    """What init answers to options that must be refused; the folder must not be left behind."""
    result = init(*options)
    assert result.exit_code != 0
    assert not Path(str(options[0])).exists()
    return str(result.exception)


def commands(output: str) -> list[str]:
    """The commands under "next:"."""
    return [line.strip() for line in output.partition("next:")[2].splitlines()[2::2]]


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


def assert_self_contained(folder: Path) -> None:
    """Files of a copy name each other, and nothing of the checkout."""
    for path in (path for path in folder.rglob("*") if path.suffix in (".py", ".yaml")):
        text = path.read_text()
        assert not re.search(r"trainables/|search_spaces/|docs/", text), path
        for file in re.findall(r"mine/[\w./]+\.(?:py|yaml)", text):
            assert Path(file).is_file(), f"{path} names {file}"


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


@pytest.mark.usefixtures("with_data")
def test_own_student_and_data_become_a_distiller_with_a_teacher_to_train() -> None:
    Path("my_student.py").write_text(STUDENT)
    result = init("mine", "--student", "my_student.py", "--data", "street")
    assert result.exit_code == 0
    spec = searchfile.load("mine/search.yaml", check_files=False)
    config = load_config(spec.trial, imports=False)
    assert config.model.type == "Distiller"
    assert config.model.student.backbone.depth == 18
    assert spec.epochs == 4
    # The student's own wrapper and pipeline stay; the data inside are replaced.
    assert config.train_dataloader.dataset.times == 2
    inside = config.train_dataloader.dataset.dataset
    assert inside.ann_file == "street/annotations/instances_train.json"
    assert inside.data_prefix.img == "street/train"
    assert [step.type for step in inside.pipeline][-1] == "PackDetInputs"
    assert config.val_evaluator.ann_file == config.test_evaluator.ann_file
    assert config.val_evaluator.ann_file == "street/annotations/instances_val.json"
    teacher = load_config(config.model.teacher.config, imports=False)
    assert teacher.model.backbone.depth == 101
    for model in (config.model.student, teacher.model):
        assert model.bbox_head.num_classes == 10
    assert commands(result.output) == [
        "tid-tune train mine/configs/teacher.py --work-dir runs/teacher-mine",
        "tid-tune run mine/search.yaml",
    ]


@pytest.mark.usefixtures("with_data")
def test_class_names_are_those_of_the_annotation_file_in_its_order() -> None:
    names = ["zebra", "apple", 'a "quoted" name', "äpfel", *(f"class {n}" for n in range(6))]
    for path in Path("street/annotations").glob("*.json"):
        document = json.loads(path.read_text())
        for category, name in zip(document["categories"], names, strict=True):
            category["name"] = name
        path.write_text(json.dumps(document))
    assert init("mine", "--data", "street").exit_code == 0
    config = load_config("mine/configs/distill.py", imports=False)
    assert list(config.train_dataloader.dataset.metainfo.classes) == names
    assert list(config.val_dataloader.dataset.metainfo.classes) == names


@pytest.mark.usefixtures("empty")
def test_voc_data_are_read_in_coco_form(few_voc_digits: Path) -> None:
    shutil.copytree(few_voc_digits, "voc")
    Path("voc/digits.json").unlink(missing_ok=True)
    result = init("mine", "--from", "digits_gfl_tid", "--data", "voc")
    assert result.exit_code == 0
    assert "cannot run yet" in result.output
    config = load_config("mine/configs/distill.py", imports=False)
    assert list(config.train_dataloader.dataset.metainfo.classes) == list("0123456789")
    for loader, listed in (("train", "trainval"), ("val", "test")):
        dataset = config[f"{loader}_dataloader"].dataset
        document = json.loads(Path(dataset.ann_file).read_text())
        members = Path(f"voc/VOCdevkit/VOC2007/ImageSets/Main/{listed}.txt").read_text().split()
        assert [Path(image["file_name"]).stem for image in document["images"]] == members
        assert Path(dataset.data_prefix.img, document["images"][0]["file_name"]).is_file()


@pytest.mark.usefixtures("with_data")
def test_own_teacher_is_named_and_nothing_is_trained() -> None:
    assert init("first", "--from", "digits_gfl_tid", "--data", "street").exit_code == 0
    Path("weights.pth").touch()
    teacher = (
        "--teacher-config",
        "first/configs/teacher.py",
        "--teacher-checkpoint",
        "weights.pth",
    )
    result = init("mine", "--from", "digits_gfl_tid", *teacher)
    assert result.exit_code == 0
    model = load_config("mine/configs/distill.py", imports=False).model
    assert model.teacher == {"config": teacher[1], "checkpoint": teacher[3]}
    assert commands(result.output) == ["tid-tune run mine/search.yaml"]
    assert searchfile.load("mine/search.yaml").trial.name == "distill.py"


@pytest.mark.usefixtures("with_data")
def test_a_searched_learning_rate_is_searched_around_the_students_own() -> None:
    Path("small.py").write_text((files.root() / "trainables/configs/digits/gfl_r18.py").read_text())
    shutil.copytree(files.root() / "trainables/configs/digits/_base_", "_base_")
    assert init("mine", "--from", "digits_gfl_tid", "--student", "small.py").exit_code == 0
    spec = searchfile.load("mine/search.yaml", check_files=False)
    rate = spec.space["optim_wrapper.optimizer.lr"]
    assert isinstance(rate, LogUniform)
    assert rate.low < 0.012 < rate.high
    assert not isinstance(spec.space["model.distillation.loss_weight"], Fixed)


@pytest.mark.usefixtures("with_data")
def test_a_held_out_part_is_what_trials_are_compared_on() -> None:
    folder = "street/annotations"
    split = [
        "data",
        "split",
        f"{folder}/instances_train.json",
        "--out",
        folder,
        "--fraction",
        "0.3",
    ]
    assert CliRunner().invoke(app, split).exit_code == 0
    assert init("mine", "--data", "street").exit_code == 0
    config = load_config("mine/configs/distill.py", imports=False)
    assert config.train_dataloader.dataset.ann_file == f"{folder}/instances_train_fit.json"
    assert config.val_dataloader.dataset.ann_file == f"{folder}/instances_train_select.json"
    assert config.val_dataloader.dataset.data_prefix.img == "street/train"


@pytest.mark.usefixtures("with_data")
def test_errors_in_the_data_are_shown_and_are_the_first_thing_to_fix() -> None:
    next(Path("street/train").iterdir()).unlink()
    result = init("mine", "--data", "street")
    assert result.exit_code == 1
    assert "missing-image" in result.output
    assert commands(result.output)[0] == "tid-tune data check street"
    assert Path("mine/search.yaml").is_file()


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


def test_several_training_splits_are_not_guessed_between(with_data: Path) -> None:
    first = with_data / "street/annotations/instances_train.json"
    shutil.copy(first, first.with_name("instances_train2.json"))
    message = refusal("mine", "--data", "street")
    for word in ("--data street", "train", "train2", "val"):
        assert word in message


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
