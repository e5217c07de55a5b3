import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headgate.budget.events import Trace
from headgate.orchestrator.errors import JournalError
from headgate.orchestrator.journal import Header, Journal, Level, held, read
from headgate.strategies.base import Answer

Begin = Callable[..., tuple[Journal, Trace]]
HEADER = Header(run="r", recipe="d", headgate="0")
KILLS = """
import asyncio, json, os, random, signal, sys, time
from pathlib import Path
from headgate.budget.events import Trace
from headgate.orchestrator.journal import Header, Journal
from headgate.strategies.base import Answer

async def write(path, out):
    trace = Trace(Journal.create(path, Header(run="r", recipe="d", headgate="0")))
    async def node(name):
        while True:
            answer = Answer(text="x" * random.choice([10, 1000, 20000]))
            last = trace.emit("answer", name, asked="q", text=answer.text, status="answered", reason="", result=answer)
            await trace.flush()
            os.write(out, b"%d\\n" % last)
    await asyncio.gather(*(node(f"n{number}") for number in range(8)))

for round in range(10):
    ours, theirs = os.pipe()
    if not (child := os.fork()):
        asyncio.run(write(Path(sys.argv[1]) / str(round) / "journal.jsonl", theirs))
    os.close(theirs)
    began = b""
    while b"\\n" not in began:
        began += os.read(ours, 4096)
    time.sleep(random.random() * 0.1)
    os.kill(child, signal.SIGKILL)
    told = began + b"".join(iter(lambda: os.read(ours, 65536), b""))
    os.waitpid(child, 0)
    print(json.dumps([int(line) for line in told.split()]), flush=True)
"""


def python(code: str, *arguments: object, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)


def test_what_was_flushed_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    run = python(KILLS, tmp_path)
    assert run.returncode == 0, run.stderr
    rounds = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(rounds) == 10
    for number, acknowledged in enumerate(rounds):
        path = tmp_path / str(number) / "journal.jsonl"
        journal, left = Journal.reopen(path)
        journal.close()
        ids = [event.id for event in read(path).events]
        assert ids == list(range(1, len(ids) + 1))
        assert acknowledged and set(acknowledged) <= set(ids)
        assert len(left.kept.answers) == min(8, len(ids))  # every blob that a line names is there and whole
        assert list((path.parent / "blobs").glob(".*")) == []


def test_a_second_writer_is_refused_and_told_who_writes(begin: Begin, path: Path) -> None:
    begin()
    for open_again in (lambda: Journal.reopen(path), lambda: Journal.create(path, HEADER)):
        with pytest.raises(JournalError, match=r"journal\.jsonl: is being written by this process; close it"):
            open_again()
    again = "import sys; from pathlib import Path; from headgate.orchestrator.journal import Journal\n"
    run = python(again + "Journal.reopen(Path(sys.argv[1]))", path)
    assert f"is being written by process {os.getpid()}; wait until it ends, or end it by `kill" in run.stderr


def test_a_journal_is_not_begun_twice(begin: Begin, path: Path) -> None:
    begin()[0].close()
    with pytest.raises(JournalError, match=r"holds a run already; go on with it by `headgate resume .*run`"):
        Journal.create(path, HEADER)
    assert read(path).header.run == "r1"


def test_a_journal_that_died_before_its_first_byte_is_begun(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    Journal.create(path, HEADER).close()
    assert read(path).header == HEADER


def test_asking_whether_a_journal_is_held_never_keeps_a_writer_out(begin: Begin, path: Path) -> None:
    begin()[0].close()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            held(path)

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(20):
        Journal.reopen(path, "off")[0].close()
    stop.set()
    asking.join()


async def test_those_who_wait_at_once_share_a_commit(begin: Begin) -> None:
    journal, trace = begin("group")

    async def node() -> None:
        trace.emit("note", "", text="x")
        await trace.flush()

    for _ in range(5):
        await asyncio.gather(*(node() for _ in range(200)))
    assert journal.commits <= 50


def test_threads_with_event_loops_of_their_own_are_all_served(begin: Begin, path: Path) -> None:
    journal, trace = begin("group")
    told: list[int] = []

    async def work() -> None:
        for _ in range(20):
            last = trace.emit("note", "", text="x")
            await trace.flush()
            told.append(last)

    threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(told) == list(range(1, 161))
    assert [event.id for event in read(path).events] == list(range(1, 161))
    journal.close()


@pytest.mark.parametrize("level", ["off", "group", "strict"])
async def test_what_was_flushed_can_be_read(begin: Begin, path: Path, level: Level) -> None:
    _, trace = begin(level)
    for number in range(1, 20):
        trace.emit("note", "", text="x")
        await trace.flush()
        assert len(read(path).events) == number
        await trace.flush()


async def test_a_chain_that_nobody_waits_for_costs_few_commits(begin: Begin) -> None:
    journal, trace = begin("group")
    for _ in range(2000):
        trace.emit("note", "", text="x")
        await asyncio.sleep(0)
    await trace.flush()
    assert journal.commits < 200


async def test_one_who_stops_waiting_disturbs_nobody(begin: Begin) -> None:
    _, trace = begin("group")
    trace.emit("note", "", text="x")
    waiting = [asyncio.ensure_future(trace.flush()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(item).__name__ for item in done] == ["NoneType", "CancelledError", "NoneType"]


def test_tokens_are_left_out(begin: Begin, path: Path) -> None:
    journal, trace = begin()
    trace.emit("token", "p1", text="a")
    trace.emit("note", "p1", text="b")
    journal.close()
    assert [event.kind for event in read(path).events] == ["note"]
    assert not trace.streaming


async def test_a_closed_journal_says_so_and_closes_again(begin: Begin) -> None:
    journal, trace = begin()
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match=r"journal\.jsonl: is closed"):
        trace.emit("note", "", text="x")
    with pytest.raises(JournalError, match="is closed"):
        await trace.flush()


def test_an_interrupt_while_an_event_is_told_harms_no_other(begin: Begin, path: Path) -> None:
    journal, trace = begin()
    told: set[int] = set()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for number in range(300):
            if number % 30 == 0:
                time.sleep(0.03)  # as the writing thread does by then
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.00002 * (1 + number % 13))
                while True:
                    told.add(trace.emit("note", "", text="x"))
            except KeyboardInterrupt:
                continue
    finally:
        signal.signal(signal.SIGALRM, before)
    journal.close()
    ids = [event.id for event in read(path).events]
    assert ids == sorted(set(ids))
    assert told <= set(ids) and len(told) > 100


def test_a_program_that_forgets_to_close_ends_and_loses_nothing(path: Path) -> None:
    code = """
import sys
from pathlib import Path
from headgate.budget.events import Trace
from headgate.orchestrator.journal import Header, Journal
trace = Trace(Journal.create(Path(sys.argv[1]), Header(run="r", recipe="d", headgate="0")))
for _ in range(100):
    trace.emit("note", "", text="x")
"""
    run = python(code, path, timeout_s=60)
    assert (run.returncode, run.stderr) == (0, "")
    assert len(read(path).events) == 100


def test_a_forked_child_neither_writes_the_journal_nor_keeps_it(path: Path) -> None:
    code = """
import os, sys, time
from pathlib import Path
from headgate.budget.events import Trace
from headgate.orchestrator.errors import JournalError
from headgate.orchestrator.journal import Header, Journal
journal = Journal.create(Path(sys.argv[1]), Header(run="r", recipe="d", headgate="0"))
trace = Trace(journal)
if not os.fork():
    try:
        trace.emit("note", "", text="child")
    except JournalError:
        Path(sys.argv[2]).touch()
    time.sleep(60)
while not Path(sys.argv[2]).exists():
    time.sleep(0.01)
trace.emit("note", "", text="parent")
journal.close()
print(os.getpid(), flush=True)
os._exit(0)
"""
    mark = path.parent.parent / "refused"
    command = [sys.executable, "-c", code, str(path), str(mark)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout and process.stdout.readline()
        process.wait(timeout=60)
        journal, left = Journal.reopen(path)  # while the child is asleep
        journal.close()
        os.killpg(process.pid, 9)
    assert left.last == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("length", [900, 20_000])
async def test_a_full_disk_stops_the_run_with_what_to_do(small_disk: Path, length: int) -> None:
    path = small_disk / "run" / "journal.jsonl"
    journal = Journal.create(path, HEADER)
    trace = Trace(journal)
    flushed = 0

    async def node(name: int) -> None:
        nonlocal flushed
        while True:
            answer = Answer(text=f"{name} {flushed} " + "x" * length)
            trace.emit("answer", f"n{name}", asked="q", text="", status="answered", reason="", result=answer)
            await trace.flush()
            flushed += 1

    nodes = [asyncio.ensure_future(node(name)) for name in range(4)]
    stopped = await asyncio.gather(*nodes, return_exceptions=True)
    for error in stopped:
        assert isinstance(error, JournalError)
        assert f"no space left on {small_disk}; free some and go on with: headgate resume {path.parent}" in str(error)
        assert isinstance(error.__cause__, OSError)
    with pytest.raises(JournalError, match="no space left"):
        trace.emit("note", "", text="x")
    with pytest.raises(JournalError, match="no space left"):
        await trace.flush()
    with pytest.raises(JournalError, match="no space left"):
        journal.close()
    assert len(read(path).events) >= flushed > 3


def test_a_file_that_may_grow_no_further_leaves_a_torn_line_at_most(path: Path) -> None:
    code = """
import asyncio, resource, sys
from pathlib import Path
from headgate.budget.events import Trace
from headgate.orchestrator.errors import JournalError
from headgate.orchestrator.journal import Header, Journal
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
journal = Journal.create(Path(sys.argv[1]), Header(run="r", recipe="d", headgate="0"))
trace = Trace(journal)
async def work():
    for number in range(1000):
        trace.emit("note", "", text="x" * 300)
        await trace.flush()
        print(number + 1)
try:
    asyncio.run(work())
except JournalError as error:
    print(error)
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    *flushed, error = python(code, path).stdout.splitlines()
    assert "cannot be written: File too large; mend that and go on with: headgate resume" in error
    journal, left = Journal.reopen(path)
    assert left.last == len(flushed) > 20
    assert left.torn > 0
    trace = Trace(journal)
    trace.go_on(left.last, left.t)
    trace.emit("note", "", text="again")
    journal.close()
    assert [event.id for event in read(path).events] == list(range(1, len(flushed) + 2))


def test_an_event_that_cannot_be_told_again_fails_no_run(begin: Begin, path: Path) -> None:
    journal, trace = begin()
    trace.emit("note", "\ud800", text=object(), parent=None)
    journal.close()
    assert [event.path for event in read(path).events] == ["\ud800"]
