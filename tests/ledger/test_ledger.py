"""The ledger's file: nothing recorded is lost or changed, whatever happens to the process."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tid_tune.errors import TidTuneError, UsageError
from tid_tune.ledger.events import Closed, Event, Placed, Proved, Reported
from tid_tune.ledger.file import Ledger, LedgerTail, read_events
from tid_tune.ledger.lock import holder_of

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
DRIVER = """
import sys
from tid_tune.ledger.events import Placed
from tid_tune.ledger.file import Ledger
ledger = Ledger.open(sys.argv[1])
ledger.append(Placed(trial="t0001", node="a"))
print("ready", flush=True)
sys.stdin.read()
"""


def reported(trial: str, **metrics: float) -> Reported:
    return Reported(
        trial=trial, step=1, epoch=1, metrics=metrics, seconds=1, images=1, checkpoint=None
    )


def written(path: Path, count: int = 3) -> bytes:
    with Ledger.open(path, clock=lambda: 1.5) as ledger:
        for i in range(count):
            ledger.append(reported(f"t{i}", **{"é\n": i / 3}))
    return path.read_bytes()


@given(effective=st.dictionaries(st.text(), JSON))
@settings(max_examples=60, deadline=None)
def test_events_are_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, effective: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    with Ledger.open(path, sync=False, clock=lambda: 2.0) as ledger:
        returned = ledger.append(Proved(trial="t0001", effective=effective))
    expected = Proved(trial="t0001", effective=_finite(effective), time=2.0)
    assert list(read_events(path)) == [expected] == [returned]


def _finite(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list) else value


def test_a_write_torn_at_any_byte_costs_at_most_its_own_event(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    whole = written(path)
    events = list(read_events(path))
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        # A line is whole once its closing brace is there, newline or not.
        survivors = sum(end - 1 <= cut for end in ends)
        assert list(read_events(path)) == events[:survivors]
        with Ledger.open(path, sync=False, clock=lambda: 9.0) as ledger:
            ledger.append(Closed(reason="after"))
            found = list(ledger.events())
        assert found == [*events[:survivors], Closed(reason="after", time=9.0)]


def test_a_tail_of_zero_bytes_left_by_a_power_failure_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    whole = written(path)
    path.write_bytes(whole + b"\0" * 70_000)
    with Ledger.open(path) as ledger:
        assert len(list(ledger.events())) == 3
    assert path.read_bytes() == whole


def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    lines = written(path).splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:10] + b"\n" + lines[2])
    with pytest.raises(UsageError, match="line 2"):
        list(read_events(path))


def test_an_event_without_one_of_its_fields_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"event":"placed","time":1.0,"trial":"t0001"}\n' + written(path))
    with pytest.raises(UsageError, match="line 1"):
        list(read_events(path))


def test_a_missing_ledger_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.jsonl"):
        list(read_events(tmp_path / "nowhere.jsonl"))


def test_what_is_not_finite_is_written_as_strict_json(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger.open(path) as ledger:
        ledger.append(reported("t0001", a=math.nan, b=math.inf, c=-math.inf, d=0.1))
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    (event,) = read_events(path)
    assert isinstance(event, Reported)
    first, *rest = event.metrics.values()
    assert math.isnan(first)
    assert rest == [math.inf, -math.inf, 0.1]


def test_a_second_driver_learns_who_holds_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"ready\n"
        with pytest.raises(UsageError, match=f"process {first.pid} on "):
            Ledger.open(path)
        assert [event.event for event in read_events(path)] == ["placed"]
        first.kill()
    with Ledger.open(path) as second:
        assert len(list(second.events())) == 1


def test_one_process_cannot_open_a_ledger_twice(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger.open(path), pytest.raises(UsageError, match="already"):
        Ledger.open(path)
    Ledger.open(path).close()


def test_asking_who_holds_a_ledger_does_not_give_its_lock_away(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    assert holder_of(path) is None
    with Ledger.open(path):
        holder = holder_of(path)
        assert holder is not None
        assert (holder.pid, holder.is_here, holder.is_gone) == (os.getpid(), True, False)
        refused = subprocess.run(
            [sys.executable, "-c", DRIVER, str(path)], input=b"", capture_output=True
        )
        assert b"already being driven" in refused.stderr
    assert holder_of(path) is None


class FullDisk:
    """A file that takes a few bytes and then no more."""

    def __init__(self, real: Any) -> None:
        self.real, self.calls = real, 0

    def write(self, data: bytes) -> int:
        self.calls += 1
        if self.calls == 1:
            return int(self.real.write(data[:7]))
        raise OSError(errno.ENOSPC, "No space left on device")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def test_a_full_disk_leaves_the_ledger_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger.open(tmp_path / "ledger.jsonl")
    ledger.append(Closed(reason="first"))
    with monkeypatch.context() as patched:
        patched.setattr(ledger, "_file", FullDisk(ledger._file))
        with pytest.raises(TidTuneError, match="No space left"):
            ledger.append(Closed(reason="second"))
    ledger.append(Closed(reason="third"))
    reasons = [event.reason for event in ledger.events() if isinstance(event, Closed)]
    assert reasons == ["first", "third"]
    ledger.close()


def test_reading_streams_while_the_driver_writes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger.open(path) as ledger:
        ledger.append(Placed(trial="t1", node="a"))
        reader = read_events(path)
        assert next(reader).event == "placed"
        ledger.append(Closed(reason="b"))
        assert next(reader).event == "closed"


def test_a_tail_yields_each_complete_event_once_and_again_if_its_consumer_fails(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.jsonl"
    whole = written(path)
    path.write_bytes(whole[:-5])
    tail, seen = LedgerTail(path), list[Event]()
    for event in tail.new_events():
        seen.append(event)
        break
    again = list(tail.new_events())
    assert again[0] == seen[0], "its consumer never asked for the next"
    assert len(again) == 2, "the third is not complete"
    path.write_bytes(whole)
    assert len(list(tail.new_events())) == 1
    assert list(tail.new_events()) == []


def test_a_last_event_that_this_version_does_not_know_is_reported_and_not_cut_off(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.jsonl"
    whole = written(path) + b'{"event":"of a later version","time":2.0}\n'
    path.write_bytes(whole)
    with Ledger.open(path) as ledger, pytest.raises(UsageError, match="line 4"):
        list(ledger.events())
    assert path.read_bytes() == whole


def test_an_event_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    before = written(path)
    wrong: Any = "not a number"
    with (
        Ledger.open(path) as ledger,
        pytest.warns(UserWarning, match="serializ"),
        pytest.raises(TypeError, match="wrong type"),
    ):
        ledger.append(reported("t0001", loss=wrong))
    assert path.read_bytes() == before
