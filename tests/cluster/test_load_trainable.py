"""The trainable that a search space names, imported from a module or from a user's file."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from pathlib import Path

import pytest
from ray import cloudpickle

from tid_tune.cluster.tuner import load_trainable
from tid_tune.errors import UsageError

FILE = """
import dataclasses
import random
from tid_tune.cluster.trainable import TrialTrainable

@dataclasses.dataclass
class Dice:
    sides: int = 6

class Mine(TrialTrainable):
    def build(self, order):
        return random.Random(order).randint(1, Dice().sides)
"""


def test_a_file_named_like_a_module_does_not_replace_it(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text(FILE)
    found = load_trainable(f"{tmp_path}/random.py:Mine")
    assert found.__name__ == "Mine"
    assert sys.modules["random"] is random
    assert found.build.__globals__["random"] is random


def test_two_files_of_one_name_do_not_mix(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "mine.py").write_text(f"{FILE}\nNUMBER = {number}\n")
    first, second = (load_trainable(f"{tmp_path}/{number}/mine.py:Mine") for number in (1, 2))
    assert sys.modules[first.__module__].__dict__["NUMBER"] == 1
    assert sys.modules[second.__module__].__dict__["NUMBER"] == 2


def test_a_worker_gets_the_class_of_a_file_by_value(tmp_path: Path) -> None:
    file = tmp_path / "random.py"
    file.write_text(FILE)
    shipped = tmp_path / "class.pickle"
    shipped.write_bytes(cloudpickle.dumps(load_trainable(f"{file}:Mine")))
    file.unlink()  # a worker on another node has no such file
    code = f"import pickle; print(pickle.load(open({str(shipped)!r}, 'rb')).build(None, 3))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == str(random.Random(3).randint(1, 6)), done.stderr
    assert pickle.loads(shipped.read_bytes()).__name__ == "Mine"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("import nothing_of_this_name", "nothing_of_this_name"),
        ("", "Mine"),
        ("class Mine: pass", "not a class derived from"),
    ],
)
def test_a_file_without_a_trainable_is_refused(tmp_path: Path, content: str, named: str) -> None:
    (tmp_path / "mine.py").write_text(content)
    before = set(sys.modules)
    with pytest.raises(UsageError, match=rf"mine\.py:Mine.*{named}"):
        load_trainable(f"{tmp_path}/mine.py:Mine")
    if "import" in content:
        assert set(sys.modules) == before
