import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from headgate.backends.base import Completion
from headgate.budget.cost import Cost
from headgate.budget.events import Trace
from headgate.orchestrator.errors import JournalError
from headgate.orchestrator.journal import Blobs, Journal, past, read
from headgate.orchestrator.journal.answers import pack, unpack
from headgate.orchestrator.journal.lines import encoded
from headgate.strategies.base import STATUSES, Answer
from headgate.verifiers.base import Score, Step

TEXT = st.text(max_size=9)
COUNTS = st.integers(0, 10**12)
COSTS = st.builds(Cost, input=COUNTS, output=COUNTS, calls=COUNTS, nanodollars=COUNTS, seconds=st.floats(0, 1e6))
COMPLETIONS = st.builds(Completion, text=TEXT, stop=st.sampled_from(["eos", "length", "think_end"]), usage=COSTS)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCORES = st.builds(Score, value=FINITE, signal=TEXT, reason=TEXT, cost=st.just(Cost()) | COSTS)
STEPS = st.builds(Step, completion=COMPLETIONS, author=TEXT, kept=st.booleans(), score=st.none() | SCORES)
BILLS = st.dictionaries(st.tuples(TEXT, TEXT), COSTS, min_size=1, max_size=3)


def billed(answer: Answer, bill: dict[tuple[str, str], Cost]) -> Answer:
    by_role: dict[str, Cost] = {}
    for (role, _), cost in bill.items():
        by_role[role] = by_role.get(role, Cost()) + cost
    return replace(answer, bill=bill, cost=sum(by_role.values(), start=Cost()), cost_by_role=by_role)


def answers(candidates: st.SearchStrategy[tuple[Answer, ...]]) -> st.SearchStrategy[Answer]:
    bare = st.builds(
        Answer,
        text=TEXT,
        status=st.sampled_from(STATUSES),
        reason=TEXT,
        steps=st.lists(STEPS, max_size=2).map(tuple),
        candidates=candidates,
        completion=st.none() | COMPLETIONS,
    )
    return st.builds(billed, bare, BILLS) | bare


LEAVES = answers(st.just(()))
ANSWERS = st.recursive(LEAVES, lambda inner: answers(st.lists(inner, max_size=2).map(tuple)), max_leaves=4)
DONE = Completion(text="a", stop="eos", usage=Cost(output=1))


@given(ANSWERS)
def test_an_answer_comes_back_equal(answer: Answer) -> None:
    again = unpack(from_json(encoded(pack(answer))))
    assert again == answer


def test_a_cost_without_a_bill_is_kept() -> None:
    answer = Answer(text="", cost=Cost(output=3), cost_by_role={"draft": Cost(output=3)})
    assert unpack(from_json(encoded(pack(answer)))) == answer


def test_a_score_that_is_no_number_stays_none() -> None:
    step = Step(completion=DONE, author="a", score=Score(value=math.nan, signal="s"))
    again = unpack(from_json(encoded(pack(Answer(text="", steps=(step,))))))
    assert again.steps[0].score and math.isnan(again.steps[0].score.value)


def test_token_ids_log_probabilities_and_entropies_are_left_out() -> None:
    full = replace(DONE, token_ids=(987654,), logprobs=(-0.987654,), entropies=(0.987654,), tokenizer="t")
    written = encoded(pack(Answer(text="a", completion=full)))
    assert b"987654" not in written
    assert unpack(from_json(written)).completion == DONE


def tell(trace: Trace, place: str, answer: Answer) -> None:
    told = {"status": answer.status, "text": answer.text, "reason": answer.reason}
    trace.emit("answer", place, asked="q", result=answer, **told)


Begin = Callable[..., tuple[Journal, Trace]]


@pytest.mark.parametrize("length", [1, 8000, 9000, 100_000])
def test_short_results_stand_in_their_line_and_long_ones_in_a_blob(begin: Begin, path: Path, length: int) -> None:
    journal, trace = begin("group")
    answer = Answer(text="x" * length, reason="because")
    tell(trace, "p1/solve", answer)
    tell(trace, "p2/solve", answer)
    journal.close()
    assert past(path).kept.answers == {"p1/solve": ("q", answer), "p2/solve": ("q", answer)}
    blobs = list((path.parent / "blobs").glob("*"))
    assert len(blobs) == (1 if length > 8192 else 0)


def test_what_an_event_says_of_its_answer_is_not_written_twice(begin: Begin, path: Path) -> None:
    journal, trace = begin()
    tell(trace, "p1/solve", Answer(text="sesquipedalian"))
    trace.emit("answer", "p1/other", asked="q", text="not quite", result=Answer(text="sesquipedalian", reason="r"))
    journal.close()
    assert path.read_text().count("sesquipedalian") == 2
    kept = past(path).kept.answers
    assert [kept[place][1].text for place in ("p1/solve", "p1/other")] == ["sesquipedalian", "sesquipedalian"]


def test_a_blob_that_is_lost_or_damaged_is_named(begin: Begin, path: Path) -> None:
    journal, trace = begin()
    tell(trace, "p1/solve", Answer(text="x" * 9000))
    journal.close()
    (blob,) = (path.parent / "blobs").iterdir()
    blob.write_bytes(blob.read_bytes().replace(b"xxx", b"xyx", 1))
    with pytest.raises(JournalError, match=f"{blob.name}: is damaged: its name is not its hash"):
        past(path)
    blob.unlink()
    with pytest.raises(JournalError, match=f"{blob.name}: .* cannot be read: No such file"):
        past(path)
    assert len(read(path).events) == 1


def test_a_damaged_blob_is_written_anew_by_who_needs_it(begin: Begin, path: Path) -> None:
    journal, trace = begin()
    tell(trace, "p1/solve", Answer(text="x" * 9000))
    journal.close()
    (blob,) = (path.parent / "blobs").iterdir()
    blob.write_bytes(b"{}")
    blobs = Blobs(path)
    data = encoded(pack(Answer(text="x" * 9000)))
    assert blobs.get(blobs.put(data)) == data
    assert [item.name for item in blobs.folder.iterdir()] == [blob.name]
