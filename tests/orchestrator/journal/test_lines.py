import json
import math
import string
import zlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.budget.cost import Cost
from headgate.budget.events import Event, Kind
from headgate.orchestrator.errors import JournalError
from headgate.orchestrator.journal import Header, read
from headgate.orchestrator.journal.lines import closed, event_body, event_of, header_body, header_of

COUNTS = st.integers(0, 2**70)
COSTS = st.builds(
    Cost,
    input=COUNTS,
    cached_input=COUNTS,
    cache_write=COUNTS,
    output=COUNTS,
    reasoning=COUNTS,
    calls=COUNTS,
    nanodollars=st.integers(),
    seconds=st.floats(allow_nan=False, allow_infinity=False),
    tool_calls=st.dictionaries(st.text(), COUNTS, max_size=2),
)
TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates and control characters too
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
EVENTS = st.builds(
    Event,
    id=st.integers(1),
    parent=st.none() | st.integers(1),
    path=TEXT,
    kind=st.sampled_from(get_args(Kind)),
    t=st.floats(0, 1e9).map(lambda t: round(t, 6)),
    cost=st.none() | COSTS,
    payload=st.dictionaries(TEXT, VALUES, max_size=4),
)


def written(event: Event) -> bytes:
    return closed(event_body(event, event.payload), 7)[0]


def payload_of(**payload: Any) -> Mapping[str, object]:
    event = Event(id=1, parent=None, path="p", kind="note", t=0.0, payload=payload)
    return event_of(written(event)).payload


@given(EVENTS)
def test_an_event_comes_back_equal(event: Event) -> None:
    line = written(event)
    assert event_of(line) == event
    assert json.loads(line)["id"] == event.id
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in line.decode()[:-1])


def test_every_figure_of_a_cost_is_written() -> None:
    figures = {item.name: 3 for item in fields(Cost)} | {"tool_calls": {"python": 2}}
    event = Event(id=1, parent=None, path="", kind="note", t=0.0, cost=Cost(**figures))  # type: ignore[arg-type]
    assert event_of(written(event)) == event


def test_what_json_has_no_word_for_is_written_all_the_same() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    circle: list[object] = []
    circle.append(circle)
    assert payload_of(path=Path("a/b"), nan=math.nan, most=-math.inf) == {"path": "a/b", "nan": None, "most": None}
    assert payload_of(view=MappingProxyType({1: (2, 3)}))["view"] == {"1": [2, 3]}
    assert payload_of(raw=b"\xff", circle=circle) == {"raw": "\\xff", "circle": ["..."]}
    assert payload_of(broken=Broken(), half="\ud800", nan=math.nan) == {
        "broken": "<Broken>",
        "half": "\ud800",
        "nan": None,
    }
    assert str(payload_of(what=object())["what"]).startswith("<object object")


def test_what_is_too_deep_or_too_long_does_not_fail_the_line() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert payload_of(deep=deep, name="x")["name"] == "x"
    assert payload_of(number=10**5000, name="x")["name"] == "x"


def test_a_line_is_one_json_object_that_ends_in_its_checksum() -> None:
    first, crc = closed(b'{"a":1}', 0)
    second, _ = closed(b'{"b":2}', crc)
    assert first == b'{"a":1,"crc":"%08x"}\n' % zlib.crc32(b'{"a":1')
    assert second == b'{"b":2,"crc":"%08x"}\n' % zlib.crc32(b'{"b":2', zlib.crc32(b'{"a":1'))


@given(
    st.builds(
        Header,
        run=st.text(string.ascii_letters),
        recipe=TEXT,
        headgate=TEXT,
        seed=st.integers(),
        prices=st.dictionaries(TEXT, st.dictionaries(TEXT, SCALARS, max_size=2), max_size=2),
        created=TEXT,
        traceparent=st.none() | TEXT,
        redacted=st.booleans(),
    )
)
def test_a_header_comes_back_equal(header: Header) -> None:
    assert header_of(closed(header_body(header), 0)[0], Path("j")) == header


def test_a_journal_of_another_format_names_the_headgate_that_reads_it(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(closed(b'{"journal":2,"headgate":"9.1"}', 0)[0])
    with pytest.raises(JournalError, match=r"journal\.jsonl:1: is of format 2, .* reads 1; .*headgate 9\.1"):
        read(path)


def test_a_header_that_lacks_its_run_is_none(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(closed(b'{"journal":1,"headgate":"9.1"}', 0)[0])
    with pytest.raises(JournalError, match="journal's header"):
        read(path)


@pytest.mark.parametrize("text", ["", "\n", "null\n", "[1]\n", '{"v":1}\n', '{"journal":1', "\xff\n"])
def test_what_is_no_journal_is_refused(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(JournalError, match="journal's header"):
        read(path)
