"""How far a run has come is the same whichever record came first, and where it ends follows from the records alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.orchestrator.bench.prefix import Prefix
from headgate.orchestrator.intervals import wilson

from .conftest import a_record

ORDER = [f"p{i}" for i in range(40)]


def test_only_the_beginning_without_a_gap_counts() -> None:
    prefix = Prefix(ORDER[:3])
    prefix.add("p2", a_record("p2"))
    assert (prefix.records, prefix.beyond, prefix.done) == ([], 1, False)
    prefix.add("p0", a_record("p0"))
    prefix.add("p1", a_record("p1"))
    assert ([one.problem for one in prefix.records], prefix.beyond, prefix.done) == (ORDER[:3], 0, True)


@given(arrived=st.permutations(ORDER), right=st.lists(st.booleans(), min_size=40, max_size=40))
def test_it_ends_at_the_first_problem_where_the_interval_is_narrow(arrived: list[str], right: list[bool]) -> None:
    prefix = Prefix(ORDER, until_width=0.35)
    for name in arrived:
        prefix.add(name, a_record(name, right=right[int(name[1:])]))
    widths = [high - low for low, high in (wilson(sum(right[:n]), n) for n in range(1, 41))]
    ends = next((n for n, width in enumerate(widths, start=1) if width < 0.35), 40)
    assert len(prefix.records) == ends
    assert prefix.done


def test_it_ends_before_what_the_budget_refused() -> None:
    prefix = Prefix(ORDER[:3])
    prefix.add("p1", None)
    prefix.add("p2", a_record("p2"))
    assert not prefix.refused
    prefix.add("p0", a_record("p0"))
    assert ([one.problem for one in prefix.records], prefix.refused, prefix.done) == (["p0"], True, False)


@pytest.mark.parametrize("width", [None, 0.01])
def test_it_is_done_with_the_last_problem(width: float | None) -> None:
    prefix = Prefix(["a"], width)
    prefix.add("a", a_record("a"))
    assert prefix.done
