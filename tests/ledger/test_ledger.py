import errno
import json
import math
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tid_tune.errors import TidTuneError, UsageError
from tid_tune.ledger.file import Ledger, number, read_events
from tid_tune.ledger.lock import holder_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
DRIVER = """
import sys
from tid_tune.ledger.file import Ledger
ledger = Ledger.open(sys.argv[1])
ledger.append("suggest", trial="t0001")
print("ready", flush=True)
sys.stdin.read()
"""


def written(path, count=3):
    with Ledger.open(path, clock=lambda: 1.5) as ledger:
        for i in range(count):
            ledger.append("report", trial=f"t{i}", metrics={"é\n": i / 3})
    return path.read_bytes()


@given(st.dictionaries(st.text().filter(lambda k: k not in ("event", "time", "self")), JSON))
@settings(max_examples=60, deadline=None)
def test_events_are_read_back_exactly(tmp_path_factory, fields):
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    with Ledger.open(path, sync=False, clock=lambda: 2.0) as ledger:
        ledger.append("x", **fields)
    expected = json.loads(json.dumps({k: _finite(v) for k, v in fields.items()}))
    assert list(read_events(path)) == [{"event": "x", "time": 2.0, **expected}]


def _finite(value):
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list) else value


def test_a_write_torn_at_any_byte_costs_at_most_its_own_event(tmp_path):
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
            ledger.append("after")
            found = list(ledger.events())
        assert found == [*events[:survivors], {"event": "after", "time": 9.0}]


def test_a_tail_of_zero_bytes_left_by_a_power_failure_is_cut_off(tmp_path):
    path = tmp_path / "ledger.jsonl"
    whole = written(path)
    path.write_bytes(whole + b"\0" * 70_000)
    with Ledger.open(path) as ledger:
        assert len(list(ledger.events())) == 3
    assert path.read_bytes() == whole


def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "ledger.jsonl"
    lines = written(path).splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:10] + b"\n" + lines[2])
    with pytest.raises(UsageError, match="line 2"):
        list(read_events(path))


def test_a_missing_ledger_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.jsonl"):
        list(read_events(tmp_path / "nowhere.jsonl"))


def test_what_is_not_finite_is_written_as_strict_json(tmp_path):
    path = tmp_path / "ledger.jsonl"
    values = [math.nan, math.inf, -math.inf, 0.1]
    with Ledger.open(path) as ledger:
        event = ledger.append("report", metrics=dict(zip("abcd", values, strict=True)))
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    read = [number(value) for value in event["metrics"].values()]
    assert math.isnan(read[0])
    assert read[1:] == values[1:]


def test_a_second_driver_is_told_who_holds_the_ledger(tmp_path):
    path = tmp_path / "ledger.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as first:
        assert first.stdout.readline() == b"ready\n"
        with pytest.raises(UsageError, match=f"process {first.pid} on "):
            Ledger.open(path)
        assert [event["event"] for event in read_events(path)] == ["suggest"]
        first.kill()
    with Ledger.open(path) as second:
        assert [event["trial"] for event in second.events()] == ["t0001"]


def test_one_process_cannot_open_a_ledger_twice(tmp_path):
    path = tmp_path / "ledger.jsonl"
    with Ledger.open(path), pytest.raises(UsageError, match="already"):
        Ledger.open(path)
    Ledger.open(path).close()


def test_asking_who_holds_a_ledger_does_not_give_its_lock_away(tmp_path):
    path = tmp_path / "ledger.jsonl"
    assert holder_of(path) is None
    with Ledger.open(path):
        assert holder_of(path)["pid"] == os.getpid()
        refused = subprocess.run(
            [sys.executable, "-c", DRIVER, str(path)], input=b"", capture_output=True
        )
        assert b"already being driven" in refused.stderr
    assert holder_of(path) is None


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger.open(path)
    ledger.append("first")
    real = ledger._file

    class FullDisk:
        def __init__(self):
            self.calls = 0

        def write(self, data):
            self.calls += 1
            if self.calls == 1:
                return real.write(data[:7])
            raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name):
            return getattr(real, name)

    ledger._file = FullDisk()
    with pytest.raises(TidTuneError, match="No space left"):
        ledger.append("second")
    ledger._file = real
    ledger.append("third")
    assert [event["event"] for event in ledger.events()] == ["first", "third"]
    ledger.close()


def test_subscribers_hear_each_event_and_a_broken_one_stops_nobody(tmp_path, caplog):
    heard = []

    def broken(event):
        raise RuntimeError("tracking is down")

    with Ledger.open(tmp_path / "ledger.jsonl") as ledger:
        ledger.subscribe(broken)
        ledger.subscribe(heard.append)
        ledger.append("a", x=1)
    assert [event["event"] for event in heard] == ["a"]
    assert "tracking is down" in caplog.text


def test_reading_streams_while_the_driver_writes(tmp_path):
    path = tmp_path / "ledger.jsonl"
    with Ledger.open(path) as ledger:
        ledger.append("a")
        reader = read_events(path)
        assert next(reader)["event"] == "a"
        ledger.append("b")
        assert next(reader)["event"] == "b"
