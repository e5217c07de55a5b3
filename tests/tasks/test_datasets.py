"""Files of GSM8K, MATH and AIME: the forms they come in, and what is said of a file that is none."""

import json
from pathlib import Path

import pytest

from headgate.tasks import datasets, registry
from headgate.tasks.base import TaskError
from headgate.tasks.jsonl import BadLine

GSM = {"question": "How many?", "answer": "2*3=<<2*3=6>>6\n6+1=<<6+1=7>>7\n#### 1,007"}
MATH = {"problem": "Half?", "solution": r"So $\boxed{\frac{1}{2}}$.", "level": "Level 3", "type": "Algebra"}
MATH_500 = {"problem": "Half?", "solution": "...", "answer": r"\frac{1}{2}", "level": 3, "unique_id": "test/a/1.json"}
AIME = {"ID": "2024-II-4", "Problem": "Find $x$.", "Solution": "...", "Answer": 33}
AIME_PAGE = {"id": 62, "problem": "Find x.", "answer": "033", "url": "wiki/2024_AIME_I_Problems/Problem_7"}


def file(folder: Path, *entries: object, as_list: bool = False) -> Path:
    path = folder / "set.jsonl"
    path.write_text(json.dumps(entries) if as_list else "\n".join(map(json.dumps, entries)) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize(
    ("name", "entry", "reference", "difficulty", "verifier"),
    [
        ("gsm8k", GSM, "1,007", 2, "numeric"),
        ("math", MATH, r"\frac{1}{2}", 3, "math"),
        ("math", MATH_500, r"\frac{1}{2}", 3, "math"),
        ("aime", AIME, "33", 4, "numeric"),
        ("aime", AIME_PAGE, "33", 7, "numeric"),
    ],
)
def test_every_form_is_read(
    tmp_path: Path, name: str, entry: object, reference: str, difficulty: int, verifier: str, as_list: bool
) -> None:
    (one,) = datasets.load(name, file(tmp_path, entry, as_list=as_list))
    assert (one.reference, one.verifier, one.meta) == (reference, verifier, {"difficulty": difficulty})
    assert one.id.startswith(f"{name}-")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("gsm8k", "", 'holds no problems; gsm8k has entries such as {"question"'),
        ("gsm8k", '{"question": "a"', "set.jsonl:1: is no JSON"),
        (
            "gsm8k",
            '\n{"question": "a", "answer": "7"}',
            "set.jsonl:2: there is no answer that can be read; an entry of",
        ),
        ("gsm8k", '{"problem": "a", "answer": "#### 7"}', "set.jsonl:1: there is no text `question`"),
        ("math", '{"problem": "a", "solution": "7"}', "there is no answer that can be read"),
        ("math", '{"problem": " ", "answer": "7"}', "there is no text `problem`"),
        ("aime", '{"problem": "a", "answer": "1000"}', "there is no answer that can be read"),
        ("aime", '{"problem": "a", "answer": 3.5}', "there is no answer that can be read"),
        ("aime", "[1]", "set.jsonl:1: holds no object"),
        ("aime", "[\n1,", "set.jsonl:2: is no JSON"),
        ("aime", "[" * 100_000, "is no JSON"),
        ("aime", '"text"', "holds no object"),
    ],
)
def test_what_cannot_be_read_is_named_with_file_and_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadLine) as error:
        datasets.load(name, path)
    assert said in str(error.value)


def test_a_file_that_is_no_text_or_not_there_is_named(tmp_path: Path) -> None:
    parquet = tmp_path / "set.parquet"
    parquet.write_bytes(b"PAR1\xff\xfe")
    with pytest.raises(BadLine, match=r"is not UTF-8.*is read from JSONL, or a JSON list"):
        datasets.load("gsm8k", parquet)
    with pytest.raises(BadLine, match=r"none\.jsonl: cannot be read: No such file"):
        datasets.load("gsm8k", tmp_path / "none.jsonl")
    with pytest.raises(BadLine, match="Is a directory"):
        datasets.load("gsm8k", tmp_path)


def test_a_sample_is_seeded_and_may_be_of_one_difficulty(tmp_path: Path) -> None:
    entries = [{"problem": f"What is {i}?", "answer": str(i), "level": i % 5 + 1} for i in range(40)]
    name = f"math:{file(tmp_path, *entries)}"
    drawn = registry.sample(name, 10, 3)
    assert drawn == registry.sample(name, 10, 3)
    assert drawn != registry.sample(name, 10, 4)
    assert sorted(one.id for one in registry.sample(name, 40, 3)) == sorted(one.id for one in registry.sample(name, 40))
    assert {one.meta["difficulty"] for one in registry.sample(name, 8, difficulty=2)} == {2}
    with pytest.raises(TaskError, match="has 8 problems of difficulty 2; 9 are asked"):
        registry.sample(name, 9, difficulty=2)
    with pytest.raises(TaskError, match=r"is level, 0 to 5; 6 is asked"):
        registry.sample(name, 1, difficulty=6)


def test_a_problem_that_stands_there_twice_is_one(tmp_path: Path) -> None:
    assert len(datasets.load("gsm8k", file(tmp_path, GSM, GSM))) == 1
