"""Problems from JSONL: what is read, and which line is wrong."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tasks import jsonl
from headgate.tasks.jsonl import BadLine
from headgate.verifiers.base import Problem


def refusal(data: bytes) -> str:
    with pytest.raises(BadLine) as error:
        jsonl.parse(data, "p.jsonl")
    return str(error.value)


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_fine() -> None:
    data = b'\xef\xbb\xbf{"question": "a", "answer": 3, "id": 7}\r\n\r\n  \r\n{"question": "b"}'
    first, second = jsonl.parse(data, "p.jsonl")
    assert first == Problem(text="a", id="7", reference="3")
    assert second == Problem(text="b", id="p4")


def test_other_fields_are_kept() -> None:
    (problem,) = jsonl.parse(b'{"question": "a", "steps": 3, "answer": null}', "p.jsonl")
    assert problem.meta == {"steps": 3}
    assert problem.reference is None


def test_givens_choices_and_the_verifier_are_read_and_written() -> None:
    (plain,) = jsonl.parse(b'{"question": "a b?", "givens": "a", "choices": ["x", 2], "answer": "B"}', "p.jsonl")
    assert plain == Problem(text="a b?", id="p1", givens="a", choices=("x", "2"), reference="B", verifier="choices")
    assert plain.asked == "b?"
    assert '"verifier"' not in jsonl.line(plain)
    numbers = replace(plain, verifier="numeric")
    assert '"verifier": "numeric"' in jsonl.line(numbers)
    assert jsonl.parse(jsonl.line(numbers).encode(), "p.jsonl") == [numbers]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "p.jsonl: holds no problems"),
        (b"\n \n", "p.jsonl: holds no problems"),
        (b'{"question": "a"}\n{"question": "b"', "p.jsonl:2: is no JSON: Expecting ',' delimiter, at column 17"),
        (b"[1]", "p.jsonl:1: holds a list, not an object"),
        (b'{"Question": "a"}', "p.jsonl:1: there is no `question`; rename `Question` to `question`"),
        (b'{"text": "a"}', "rename `text` to `question`"),
        (b'{"query": "a"}', "there is no `question`; it has query"),
        (b'{"question": 3}', "p.jsonl:1: `question` is a number, not a text"),
        (b'{"question": " "}', "p.jsonl:1: the question is empty"),
        (b'{"question": "a", "answer": [1]}', "p.jsonl:1: `answer` is a list, not a text or a number"),
        (b'{"question": "a", "id": true}', "p.jsonl:1: `id` is true or false, not a text or a number"),
        (b'{"question": "a", "id": 1}\n\n{"question": "b", "id": "1"}', "p.jsonl:3: the id `1` is that of line 1"),
        (b"\xff\xfe{", "p.jsonl:1: is not UTF-8"),
        (b'{"question": "\\ud800"}', "p.jsonl:1: is not UTF-8"),
        (b"[" * 100_000, "p.jsonl:1: is no JSON that can be read"),
        (b'{"question": "a", "choices": "b"}', "p.jsonl:1: `choices` is a text, not a list of texts"),
        (b'{"question": "a", "choices": ["b", []]}', "p.jsonl:1: `choices` is a list, not a text or a number"),
        (
            b'{"question": "a", "choices": ["b", "c"], "answer": 1}',
            "p.jsonl:1: the verifier `choices` cannot judge this",
        ),
        (b'{"question": "a", "verifier": "plam"}', "p.jsonl:1: there is no verifier `plam`; did you mean `plan`?"),
        (
            b'{"question": "a", "verifier": "plan"}',
            "p.jsonl:1: the verifier `plan` cannot judge this: there is no object",
        ),
        (b'{"question": "a", "givens": 3}', "p.jsonl:1: `givens` is a number, not a text"),
        (
            b'{"question": "a", "givens": "b"}',
            "p.jsonl:1: the question does not begin with its `givens`; the question is",
        ),
    ],
)
def test_a_bad_line_is_named_with_its_number(data: bytes, said: str) -> None:
    assert said in refusal(data)


def test_bad_lines_can_be_told_and_left_out() -> None:
    told: list[BadLine] = []
    problems = jsonl.parse(b'{"question": "a"}\nx\n{"question": "b"}\ny\n', "p.jsonl", told.append)
    assert [problem.text for problem in problems] == ["a", "b"]
    assert [error.line for error in told] == [2, 4]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadLine, match=r"none\.jsonl: cannot be read: No such file"):
        jsonl.load(tmp_path / "none.jsonl")


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.lists(st.tuples(_TEXT, st.none() | _TEXT.map(str.strip).filter(bool)), min_size=1, max_size=8))
def test_every_problem_comes_back_from_its_line(rows: list[tuple[str, str | None]]) -> None:
    problems = [Problem(text=text, id=f"q{i}", reference=answer) for i, (text, answer) in enumerate(rows)]
    assert jsonl.parse("\n".join(map(jsonl.line, problems)).encode(), "p.jsonl") == problems


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_by_an_error_of_ours(data: bytes) -> None:
    try:
        assert jsonl.parse(data, "p.jsonl")
    except BadLine as error:
        assert str(error).startswith("p.jsonl")


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inside: st.lists(inside), max_leaves=5))
def test_any_json_value_is_read_or_refused_by_an_error_of_ours(value: object) -> None:
    told: list[BadLine] = []
    with pytest.raises(BadLine, match="holds no problems"):
        jsonl.parse(json.dumps(value).encode(), "p.jsonl", told.append)
    assert len(told) == 1
