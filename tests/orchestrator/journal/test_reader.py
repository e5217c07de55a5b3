import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from headgate.budget.events import Event
from headgate.orchestrator.errors import JournalError
from headgate.orchestrator.journal import Journal, follow, held, past, read
from headgate.orchestrator.journal.lines import closed
from headgate.orchestrator.journal.reader import Scan


def salvaged(path: Path) -> tuple[list[Event], str]:
    """What is read of a journal, all before the damage, and why it is refused as a whole, if it is."""
    events = read(path, salvage=True).events
    try:
        whole = read(path)
    except JournalError as error:
        return events, str(error)
    assert whole.events == events
    return events, ""


def test_a_journal_cut_at_any_byte_gives_the_lines_before_the_cut(lived: Path) -> None:
    data, events = lived.read_bytes(), read(lived).events
    head = data.index(b"\n") + 1
    assert len(events) == 17
    for cut in reversed(range(len(data))):
        os.truncate(lived, cut)
        if cut < head:
            with pytest.raises(JournalError):
                read(lived)
            continue
        reading = read(lived)
        assert reading.events == events[: data[head:cut].count(b"\n")]
        assert reading.torn == cut - data.rfind(b"\n", 0, cut) - 1


def test_no_flipped_bit_is_accepted_and_all_before_it_is_read(lived: Path) -> None:
    data, events = lived.read_bytes(), read(lived).events
    head = data.index(b"\n") + 1
    last, refusal = data.rindex(b"\n", 0, -1), re.compile(r"journal\.jsonl:\d+: is damaged, and line \d+ .*head -n")
    with lived.open("r+b", buffering=0) as file:
        for place in range(len(data)):
            os.pwrite(file.fileno(), bytes([data[place] ^ 1 << place % 8]), place)
            if place < head:
                with pytest.raises(JournalError):
                    read(lived)
            else:
                good, why = salvaged(lived)
                assert good == events[: data[head:place].count(b"\n")], place
                assert place >= last or refusal.search(why), place
            os.pwrite(file.fileno(), data[place : place + 1], place)
    assert read(lived).events == events


@pytest.mark.parametrize("at", [1, 5, 14])
def test_a_lost_a_repeated_and_a_moved_line_are_noticed(lived: Path, at: int) -> None:
    lines, events = lived.read_bytes().splitlines(keepends=True), read(lived).events
    lost = [*lines[:at], *lines[at + 1 :]]
    repeated = [*lines[: at + 1], *lines[at:]]
    moved = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
    for changed, good in ((lost, at - 1), (repeated, at), (moved, at - 1)):
        lived.write_bytes(b"".join(changed))
        left, why = salvaged(lived)
        assert left == events[:good]
        assert "is damaged" in why


def test_a_last_line_that_does_not_follow_is_cut_off(lived: Path) -> None:
    lines, events = lived.read_bytes().splitlines(keepends=True), read(lived).events
    lived.write_bytes(b"".join([*lines, lines[-1]]))
    reading = read(lived)
    assert (reading.events, reading.torn) == (events, len(lines[-1]))


def test_a_tail_of_zeros_or_noise_is_cut_off(lived: Path) -> None:
    data, events = lived.read_bytes(), read(lived).events
    for tail in (b"\0" * 4096, b"\n\n", b"\xff\n\0\n{}\n"):
        lived.write_bytes(data + tail)
        reading = read(lived)
        assert (reading.events, reading.torn) == (events, len(tail))


def test_a_journal_that_is_not_there_is_said_so(path: Path) -> None:
    with pytest.raises(JournalError, match=r"journal\.jsonl: cannot be read: No such file"):
        read(path)


def test_a_line_of_a_later_headgate_is_refused_by_its_number(lived: Path) -> None:
    scan = Scan(lived)
    number = len(list(scan.events())) + 2
    with lived.open("ab") as file:
        file.write(closed(b'{"later":1}', scan.crc)[0])
    with pytest.raises(JournalError, match=f"journal.jsonl:{number}: holds no event"):
        read(lived)


LIVE = """
import sys, time
from pathlib import Path
from headgate.budget.events import Trace
from headgate.orchestrator.journal import Header, Journal
trace = Trace(Journal.create(Path(sys.argv[1]), Header(run="r", recipe="d", headgate="0")))
print("begun", flush=True)
for number in range(100):
    trace.emit("note", "", text=f"{number}" * number)
    time.sleep(0.002)
trace.emit("run_end", "")
"""


def test_who_follows_a_live_process_sees_every_event_and_ends_with_it(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", LIVE, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        assert held(path)
        following = follow(path)
        first = next(following)
        assert process.poll() is None
        seen = [first, *following]
        assert process.wait(timeout=30) == 0
    assert [event.id for event in seen] == list(range(1, 102))
    assert seen[-1].kind == "run_end"
    assert not held(path)


def test_who_follows_waits_for_the_rest_of_a_line(begin: Any, path: Path, tmp_path: Path) -> None:
    journal, trace = begin()
    trace.emit("note", "", text="one")
    journal.close()
    line = path.read_bytes().splitlines(keepends=True)[-1]
    whole = path.read_bytes()
    path.write_bytes(whole[: -len(line)])
    journal, _ = Journal.reopen(path, "off")  # holds the lock, and writes nothing
    following = follow(path)
    seen: list[Event] = []
    reader = threading.Thread(target=lambda: seen.append(next(following)))
    with path.open("ab", buffering=0) as file:
        file.write(line[:20])
        reader.start()
        reader.join(timeout=0.3)
        assert reader.is_alive() and not seen
        file.write(line[20:])
    reader.join(timeout=30)
    assert [event.payload for event in seen] == [{"text": "one"}]
    journal.close()


def test_who_follows_can_be_stopped(begin: Any, path: Path) -> None:
    begin()
    stop = threading.Event()
    reader = threading.Thread(target=lambda: list(follow(path, stop)))
    reader.start()
    stop.set()
    reader.join(timeout=30)
    assert not reader.is_alive()


def test_a_journal_can_be_read_while_it_is_written(begin: Any, path: Path) -> None:
    _, trace = begin()
    for _ in range(500):
        trace.emit("note", "", text="x" * 500)
    for _ in range(20):
        events = read(path).events
        assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert past(path).last <= 500
