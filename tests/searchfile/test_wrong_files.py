"""Every kind of mistake: the message names file, line, path, what was received, and the fix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.mistakes import MISTAKES, Finding, Mistake
from support.spec_samples import LR, ONE, with_parameters

from tid_tune.errors import SpecError
from tid_tune.searchfile import SearchSpec, load


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_message_holds_the_place_the_value_and_the_fix(
    mistake: Mistake, read: Callable[..., SearchSpec]
) -> None:
    with pytest.raises(SpecError) as caught:
        read(mistake.text)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(mistake.findings), lines
    for finding, line in zip(mistake.findings, lines, strict=True):
        assert not finding.missing(line), line


@pytest.mark.parametrize(
    ("message", "lacks"),
    [
        ("search.yaml:40: sampler.type: got 'tep' (text); did you mean 'tpe'?", "place"),
        ("search.yaml:4: sampler.seed: got 'tep' (text); did you mean 'tpe'?", "path"),
        ("search.yaml:4: got 'tep' (text); did you mean 'tpe'?", "path"),
        ("search.yaml:4: sampler.type: got 'step' (text); did you mean 'tpe'?", "name or value"),
        ("search.yaml:4: sampler.type: got 'tep' (text); did you mean 'tpes'?", "fix"),
        ("search.yaml:4: sampler.type: got 'tep' (text)", "fix"),
    ],
)
def test_a_message_that_lacks_something_fails_the_table(message: str, lacks: str) -> None:
    finding = Finding(4, "sampler.type", ("tep",), ("tpe", "gp"))
    assert not finding.missing("search.yaml:4: sampler.type: TEP? Use tpe.")
    (missing,) = finding.missing(message)
    assert lacks in missing


def test_all_mistakes_of_a_file_are_reported_together(read: Callable[..., SearchSpec]) -> None:
    text = (
        f"name: a b\ntrial: config.py\nspace: {{{LR}: {{uniform: [2, 1]}}}}\ntrails: 3\nseed: x\n"
    )
    with pytest.raises(SpecError) as caught:
        read(text)
    lines = str(caught.value).splitlines()
    assert [line.split(" ")[0] for line in lines] == [
        "search.yaml:1:",
        "search.yaml:3:",
        "search.yaml:4:",
        "search.yaml:5:",
    ]


def test_a_hundred_mistakes_are_counted_beyond_twenty(read: Callable[..., SearchSpec]) -> None:
    with pytest.raises(SpecError) as caught:
        read(ONE + "".join(f"zzz{index}: 1\n" for index in range(100)))
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "... and 80 more"


def test_an_unreadable_value_is_not_reported_a_second_time(
    read: Callable[..., SearchSpec],
) -> None:
    with pytest.raises(SpecError) as caught:
        read("name: .nan\ntrial: config.py\nspace:\n  a: {uniform: [.nan, 1]}\n")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("mistake", "place"),
    [
        (with_parameters("  model.distillation.loss_wieght: 1\n"), "search.yaml:4: space.model."),
        (ONE.replace("config.py", "nomodel.py"), "search.yaml:2: trial: the config has no model"),
    ],
    ids=["constant of no method", "config without a model"],
)
def test_a_mistake_is_reported_once_and_not_what_follows_from_it(
    mistake: str, place: str, read: Callable[..., SearchSpec]
) -> None:
    Path("nomodel.py").write_text("import os\nx = 1\n")
    with pytest.raises(SpecError) as caught:
        read(mistake)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(place)


def test_what_names_a_wrong_parameter_is_not_wrong_too(read: Callable[..., SearchSpec]) -> None:
    with pytest.raises(SpecError) as caught:
        read(
            f"name: a\ntrial: config.py\nspace: {{{LR}: {{log_uniform: [0, 1]}}}}\n"
            "start_from: [{lr: 0.1}]\nrequire: [lr < 0.5]\n"
        )
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"search.yaml:3: space.{LR}: log_uniform: low must be above 0, got 0")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"name: t\n# \xe9\n"], ids=["bom", "latin-1"])
def test_a_file_that_is_not_utf8_is_reported_with_its_byte(content: bytes) -> None:
    Path("search.yaml").write_bytes(content)
    with pytest.raises(SpecError, match=r"search\.yaml:\d: not UTF-8 text \(byte 0x"):
        load("search.yaml")


def test_a_missing_file_and_a_folder_are_reported() -> None:
    with pytest.raises(SpecError, match=r"nowhere\.yaml: cannot read it: No such file"):
        load("nowhere.yaml")
    with pytest.raises(SpecError, match=r"data: cannot read it: Is a directory"):
        load("data")


def test_a_huge_file_is_refused_unread() -> None:
    Path("search.yaml").write_text("# " + "a" * 300_000)
    with pytest.raises(SpecError, match="larger than 256 KiB"):
        load("search.yaml")


def test_an_alias_bomb_is_refused(read: Callable[..., SearchSpec]) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(SpecError, match="more than 20000 values; check the aliases"):
        read("\n".join(lines))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trials", "--set trials: expected a path and a value, as in --set sampler.seed=3"),
        ("=3", "--set =3: expected a path and a value"),
        ("trials=", "--set trials=: expected a path and a value"),
        ("trials=many", "--set trials=many: trials: expected a whole number, got 'many'"),
        ("sampler.sed=3", "--set sampler.sed=3: sampler.sed: unknown key; did you mean 'seed'?"),
        ("trials=[", "--set trials=[: not valid YAML"),
        ("space.optim_wrapper.x=3", "space.optim_wrapper.x: `optim_wrapper.x` is not in config.py"),
        ("require.4=a > b", "--set require.4=a > b: '4' is not an index of a list of 0"),
        (f"space.{LR}.uniform=[2, 1]", "uniform: low 2 is above high 1"),
    ],
)
def test_a_wrong_override_is_reported_as_it_was_typed(
    override: str, message: str, read: Callable[..., SearchSpec]
) -> None:
    with pytest.raises(SpecError) as caught:
        read(ONE + "require: []\n", override)
    assert message in str(caught.value)
