from collections.abc import Callable
from pathlib import Path

import pytest

from headgate.budget.cost import Cost
from headgate.budget.events import Trace
from headgate.orchestrator.errors import JournalError
from headgate.orchestrator.journal import Header, Journal, past, read
from headgate.strategies.base import Answer, digest
from headgate.verifiers.base import Problem

Begin = Callable[..., tuple[Journal, Trace]]
CALL = Cost(input=5, output=2, calls=1, nanodollars=700, seconds=0.25)
SECRET = "sesquipedalian"


def tell(trace: Trace, place: str, question: str, answer: Answer) -> None:
    told = {"status": answer.status, "text": answer.text, "reason": answer.reason}
    trace.emit("answer", place, cost=answer.cost, asked=digest(question), result=answer, **told)


def end(trace: Trace, name: str, answer: Answer) -> None:
    told = {"status": answer.status, "answer": answer.text, "correct": None, "reason": answer.reason}
    trace.emit("problem_end", name, cost=answer.cost, asked=digest("q"), result=answer, **told)


def test_a_past_tells_what_was_spent_answered_and_ended(lived: Path) -> None:
    left = past(lived)
    ended = left.ended["p1"]
    assert (ended.question, ended.id, ended.correct, ended.answer.text) == ("What is 6 * 7?", "p1", True, "42")
    assert ended.answer.bill == {("draft", "think"): CALL}
    assert list(left.ended) == ["p1"]
    assert left.kept.answer("p1/solve", Problem(text="What is 6 * 7?")) == ended.answer
    assert left.kept.answer("p1/solve", Problem(text="What is 6 * 9?")) is None
    assert set(left.kept.answers) == {"p1/solve", "p2/solve"}
    assert left.kept.unknown == {"p2/check", "p2", ""}
    whole = left.history.at("")
    assert whole and sum(whole.bill.values(), start=Cost()) == CALL + CALL + CALL
    assert (left.last, left.torn, left.processes, left.complete, left.recipe) == (17, 0, 1, False, "nodes: {}")
    assert left.t == read(lived).events[-1].t


def test_the_latest_answer_of_a_path_counts(begin: Begin, path: Path) -> None:
    journal, trace = begin()
    tell(trace, "p1/solve", "q", Answer(text="", status="failed", reason="no luck"))
    tell(trace, "p1/solve/sample-3", "q", Answer(text="7"))
    tell(trace, "p1/solve", "q", Answer(text="8"))
    journal.close()
    answers = past(path).kept.answers
    assert {place: answer.text for place, (_, answer) in answers.items()} == {"p1/solve": "8", "p1/solve/sample-3": "7"}


def test_a_problem_that_began_again_has_not_ended(begin: Begin, path: Path) -> None:
    journal, trace = begin()
    trace.emit("problem_start", "p1", question="q", id="p1")
    end(trace, "p1", Answer(text="1"))
    trace.emit("problem_start", "p1", question="q", id="p1")
    journal.close()
    assert past(path).ended == {}


def test_a_run_is_complete_when_its_last_process_ended_it(begin: Begin, path: Path) -> None:
    journal, trace = begin()
    assert not past(path).complete
    for kind in ("run_start", "run_end", "run_start"):
        trace.emit(kind, "")  # type: ignore[arg-type]
    journal.close()
    left = past(path)
    assert (left.complete, left.processes) == (False, 2)


def test_forgetting_a_problem_forgets_what_failed_on_the_way_but_not_what_stands(begin: Begin, path: Path) -> None:
    journal, trace = begin()
    for name in ("p1", "p2"):
        trace.emit("problem_start", name, question="q", id=f"id-{name}")
        tell(trace, f"{name}/plan", "q", Answer(text="a plan"))
        tell(trace, f"{name}/solve", "q", Answer(text="", status="failed", reason="no luck"))
        end(trace, name, Answer(text="", status="failed", reason="no luck"))
    journal.close()
    left = past(path).without({"id-p1"})
    assert list(left.ended) == ["p2"]
    assert set(left.kept.answers) == {"p1/plan", "p2/plan", "p2/solve"}


def test_a_resumed_run_goes_on_with_the_next_number_and_the_same_chain(begin: Begin, path: Path) -> None:
    journal, trace = begin(seed=5, prices={"draft": {"input": "0.1"}})
    trace.emit("run_start", "")
    trace.emit("note", "", text="one")
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"v":1,"id":3,"pa')
    journal, left = Journal.reopen(path, "group")
    assert (left.header, left.torn, left.last) == (journal.header, 17, 2)
    assert left.header == Header(run="r1", recipe="d1", headgate="0.1", seed=5, prices={"draft": {"input": "0.1"}})
    trace = Trace(journal)
    trace.go_on(left.last, left.t)
    trace.emit("run_start", "")
    journal.close()
    reading = read(path)
    assert [event.id for event in reading.events] == [1, 2, 3]
    assert reading.events[-1].t >= reading.events[-2].t
    assert (reading.torn, past(path).processes) == (0, 2)


def test_a_damaged_journal_is_not_gone_on_with_and_not_changed(lived: Path) -> None:
    data = bytearray(lived.read_bytes())
    data[len(data) // 2] ^= 1
    lived.write_bytes(data)
    with pytest.raises(JournalError, match="is damaged"):
        Journal.reopen(lived)
    assert lived.read_bytes() == data


def test_a_redacted_journal_holds_no_text_of_prompts_or_answers(begin: Begin, path: Path) -> None:
    journal, trace = begin(redacted=True)
    trace.emit("run_start", "", recipe="nodes: {}", seed=1)
    trace.emit("problem_start", "p1", question=SECRET, id="p1")
    trace.emit("step", "p1/solve", index=0, author="draft", kept=True, text=SECRET, score=0.5, reason=SECRET)
    trace.emit("tool_start", "p1/solve", tool="python", arguments={SECRET: 1})
    trace.emit("tool_end", "p1/solve", result=[SECRET], error=SECRET)
    trace.emit("retry", "p1/solve", role="draft", error=SECRET, attempt=1, wait_s=0.5)
    trace.emit("settle", "p1/solve", cost=CALL, role="draft", purpose="think", stop="eos", text=SECRET)
    trace.emit("note", "", text=SECRET, something_new=SECRET, more={"a": SECRET})
    tell(trace, "p1/solve", "q", Answer(text=SECRET * 1000, reason=SECRET))
    end(trace, "p1", Answer(text=SECRET, cost=CALL))
    journal.close()
    files = [file for file in path.parent.rglob("*") if file.is_file()]
    assert files == [path]
    assert SECRET not in path.read_text()
    steps = [event.payload for event in read(path).events if event.kind == "step"]
    assert steps == [{"index": 0, "author": "draft", "kept": True, "score": 0.5}]


def test_a_redacted_run_is_known_by_whole_problems_only(begin: Begin, path: Path) -> None:
    journal, trace = begin(redacted=True)
    trace.emit("problem_start", "p1", question=SECRET, id="p1")
    trace.emit("settle", "p1/solve", cost=CALL, role="draft", purpose="think", stop="eos", text=SECRET)
    tell(trace, "p1/solve", "q", Answer(text=SECRET))
    end(trace, "p1", Answer(text=SECRET, status="abstained", cost=CALL))
    journal.close()
    left = past(path)
    assert left.kept.answers == {}
    assert left.ended["p1"].answer == Answer(text="", status="abstained", cost=CALL)
    assert left.ended["p1"].asked == digest("q")
    spent = left.history.at("p1")
    assert spent and spent.bill == {("draft", "think"): CALL}


def test_a_journal_grows_with_its_nodes_and_not_faster(tmp_path: Path) -> None:
    sizes: list[int] = []
    for nodes in (100, 200):
        file = tmp_path / str(nodes) / "journal.jsonl"
        journal = Journal.create(file, Header(run="r", recipe="d", headgate="0"), "off")
        trace = Trace(journal)
        for number in range(nodes):
            tell(trace, f"p1/n{number}", "q", Answer(text="x" * 1000))
            trace.emit("node_end", f"p1/n{number}", status="answered")
        journal.close()
        sizes.append(file.stat().st_size)
    assert sizes[1] <= 2.1 * sizes[0]
    assert sizes[1] <= 200 * 1500
