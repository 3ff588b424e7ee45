"""The ledger in a store and its copy on this machine: which of them has what, and who is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tid_tune.errors import UsageError
from tid_tune.storage import ledger_parts
from tid_tune.storage.ledger_parts import LedgerParts
from tid_tune.storage.objects import Objects
from tid_tune.storage.places import Uri


class Both:
    """A ledger in a store, and its copies on machines."""

    def __init__(self, store: str, root: Path) -> None:
        self.objects = Objects(Uri.parse(store).child("toy"))
        self.root = root

    def copy(self, machine: str = "a") -> Path:
        return self.root / machine / "toy" / "ledger.jsonl"

    def parts(self, machine: str = "a") -> LedgerParts:
        self.copy(machine).parent.mkdir(parents=True, exist_ok=True)
        return LedgerParts(self.objects, self.copy(machine))

    def append(self, parts: LedgerParts, *lines: str, machine: str = "a") -> None:
        """Write lines to the copy, and push after each."""
        for line in lines:
            with self.copy(machine).open("a") as file:
                file.write(f"{line}\n")
            parts.push()

    def there(self) -> str:
        """What the store has."""
        return LedgerParts(self.objects, self.copy()).fetch().decode()


@pytest.fixture
def both(folder: str, tmp_path: Path) -> Both:
    return Both(folder, tmp_path)


def test_what_is_appended_is_in_the_store_in_parts_that_are_not_written_again(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Both(store, tmp_path)
    monkeypatch.setattr(ledger_parts, "PART", 25)
    sizes: list[int] = []
    before = Objects.write

    def write(objects: Objects, name: str, content: bytes) -> None:
        sizes.append(len(content))
        before(objects, name, content)

    monkeypatch.setattr(Objects, "write", write)
    lines = [f"event {number:03d}" for number in range(10)]
    both.append(both.parts(), *lines[:4])
    again = both.parts()  # as of the next driver
    again.reconcile()
    both.append(again, *lines[4:])
    again.push()
    assert both.there() == "".join(f"{line}\n" for line in lines)
    assert sizes == [10, 20, 30] * 3 + [10], "no part is written again that is full"
    assert len(both.objects.sizes("ledger")) == 4


def test_another_machine_goes_on_with_what_the_store_has(both: Both) -> None:
    both.append(both.parts(), "1", "2")
    parts = both.parts("b")
    parts.reconcile()
    assert both.copy("b").read_text() == "1\n2\n"
    both.append(parts, "3", machine="b")
    back = both.parts()
    back.reconcile()
    assert both.copy().read_text() == "1\n2\n3\n"


def test_an_unfinished_file_of_a_killed_driver_is_no_part(both: Both) -> None:
    both.append(both.parts(), "1")
    both.objects.write("ledger/.f00d.00000.jsonl", b"2 to")
    assert both.there() == "1\n"


def test_half_a_line_of_a_killed_driver_is_no_event(both: Both) -> None:
    both.append(both.parts(), "1")
    with both.copy().open("a") as file:
        file.write("2 to")
    both.append(parts := both.parts("b"), machine="b")
    parts.reconcile()
    both.append(parts, "3", machine="b")
    both.parts().reconcile()
    assert both.copy().read_text() == "1\n3\n"


def test_events_that_had_not_reached_the_store_are_brought_by_the_next_driver(both: Both) -> None:
    both.append(both.parts(), "1")
    with both.copy().open("a") as file:
        file.write("2\n")
    parts = both.parts()
    parts.reconcile()
    assert both.copy().read_text() == "1\n2\n"
    both.append(parts, "3")
    assert both.there() == "1\n2\n3\n"


def test_where_both_have_gone_on_the_user_is_asked(both: Both) -> None:
    both.append(both.parts(), "1")
    with both.copy().open("a") as file:
        file.write("mine\n")
    parts = both.parts("b")
    parts.reconcile()
    both.append(parts, "theirs", machine="b")
    with pytest.raises(UsageError, match=f"both gone on.*delete {both.copy().parent}"):
        both.parts().reconcile()
    assert both.copy().read_text() == "1\nmine\n"
    assert both.there() == "1\ntheirs\n"


def test_a_run_that_was_deleted_in_the_store_does_not_come_back(
    both: Both, capsys: pytest.CaptureFixture[str]
) -> None:
    both.append(both.parts(), "1")
    both.objects.delete_folder("ledger")
    both.parts().reconcile()
    assert not both.copy().exists()
    aside = both.copy().parent.with_name("toy.1")
    assert (aside / "ledger.jsonl").read_text() == "1\n"
    assert str(aside) in capsys.readouterr().out
