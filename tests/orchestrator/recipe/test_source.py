"""YAML with positions: what is read, where it stands, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headgate.orchestrator.errors import RecipeError
from headgate.orchestrator.recipe.source import Source, read_text
from headgate.orchestrator.recipe.yaml_reader import DEEPEST, MOST_VALUES, Mark


def read(text: str) -> Source:
    return Source.of_text(text, "r.yaml")


def refusal(text: str) -> str:
    with pytest.raises(RecipeError) as error:
        read(text)
    return str(error.value)


def test_words_of_yaml_1_1_stay_texts_and_only_true_and_false_are_booleans() -> None:
    values = read("a: on\nb: yes\nc: no\nd: off\ne: true\nf: False\ng: ~\nh:\ni: 'true'\n").values
    assert values == {
        "a": "on",
        "b": "yes",
        "c": "no",
        "d": "off",
        "e": True,
        "f": False,
        "g": None,
        "h": None,
        "i": "true",
    }


def test_numbers_are_read_as_people_mean_them() -> None:
    values = read("a: 1e-3\nb: .5\nc: 20k\nd: 0x1F\ne: 0o17\nf: 12:30\ng: 2026-11-21\nh: -3\ni: 5.\n").values
    assert values == {
        "a": 0.001,
        "b": 0.5,
        "c": "20k",
        "d": 31,
        "e": 15,
        "f": "12:30",
        "g": "2026-11-21",
        "h": -3,
        "i": 5.0,
    }
    assert isinstance(read("a: 1e3").values["a"], float)


def test_every_key_and_value_knows_its_line_and_column() -> None:
    places = read("a: 1\nb:\n  - x\n  - {c: y}\n").places
    assert places.keys[("a",)] == Mark(1, 1)
    assert places.values[("b", 0)] == Mark(3, 5)
    assert places.keys[("b", 1, "c")] == Mark(4, 6)
    assert places.values[("b", 1, "c")] == Mark(4, 9)


def test_an_alias_is_copied_out_and_points_to_its_anchor() -> None:
    source = read("a: &x {k: 1}\nb: *x\n")
    assert source.values == {"a": {"k": 1}, "b": {"k": 1}}
    assert source.places.keys[("b",)] == Mark(2, 1)
    assert source.places.values[("b", "k")] == Mark(1, 11)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "r.yaml: is empty"),
        ("# nothing\n", "r.yaml: is empty"),
        ("- 1\n", "r.yaml:1:1: holds a list, not a mapping"),
        ("just text\n", "r.yaml:1:1: holds 'just text', not a mapping"),
        ("a: 1\nb: 2\na: 3\n", "r.yaml:3:1: `a` stands twice; the first is in line 1"),
        ("a: {b: 1, b: 2}\n", "r.yaml:1:11: `b` stands twice"),
        ("a: &x\n  b: *x\n", "r.yaml:2:6: `*x` stands inside its own anchor"),
        ("a: &x [1, *x]\n", "r.yaml:1:11: `*x` stands inside its own anchor"),
        ("a: *x\n", "r.yaml:1:4: `*x` has no anchor"),
        ("a: !!python/object/apply:os.system [ls]\n", "r.yaml:1:4: the tag `!!python/object/apply:os.system`"),
        ("a: !!str 5\n", "r.yaml:1:4: the tag `!!str`"),
        ("a: !own 5\n", "r.yaml:1:4: the tag `!own`"),
        ("!!map {a: 1}\n", "r.yaml:1:1: the tag `!!map`"),
        ("a:\n\tb: 1\n", "r.yaml:2:1: a tab; indent with spaces"),
        ("a: b: c\n", "r.yaml:1:5: a `:` where none can stand"),
        ("a: 'x\n", "r.yaml:2:1: a quote is never closed; while scanning a quoted scalar, begun in line 1"),
        ("a: [1,\n  2\nb: 3\n", "r.yaml:3:2: expected ',' or ']', but got ':'; while parsing a flow sequence"),
        ("3: x\n", "r.yaml:1:1: the key `3` is no text; put it in quotes"),
        ("true: x\n", "r.yaml:1:1: the key `true` is no text"),
        ("? [a]\n: x\n", "r.yaml:1:3: this key is no text"),
        ("a: \x00\n", "r.yaml:1:4: the character U+0000 cannot stand in YAML"),
        ("a: 1\n---\nb: 1\n", "r.yaml:2:1: a second document"),
        ("a: " + "[" * 60 + "]" * 60, f"more than {DEEPEST} levels"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, said: str) -> None:
    assert said in refusal(text)


def test_a_billion_laughs_are_refused_at_once() -> None:
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert f"its aliases expand to more than {MOST_VALUES} values" in refusal("\n".join(lines))


def test_a_file_that_is_not_utf8_is_refused_at_its_first_wrong_byte(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes("a: 1\nb: é\n".encode("latin-1"))
    with pytest.raises(RecipeError, match=r"r\.yaml:2:4: the byte 0xe9 is not UTF-8; save the file as UTF-8"):
        Source.of_file(file)


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    source = Source.of_file(file)
    assert source.values == {"a": 1, "b": 2}
    assert source.places.keys[("b",)] == Mark(2, 1)


def test_missing_files_folders_and_huge_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no such file"):
        read_text(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match="is a folder, not a file"):
        read_text(tmp_path)
    with pytest.raises(RecipeError, match="cannot be read"):
        read_text(Path("a\0b"))
    (tmp_path / "big.yaml").write_bytes(b"#" * 100)
    with pytest.raises(RecipeError, match="has 100 bytes, at most 99 are read"):
        read_text(tmp_path / "big.yaml", largest_bytes=99)


def test_a_value_set_by_an_option_is_named_by_it() -> None:
    source = read("a: {b: 1, c: 2}\nd: [1, 2]\n").with_value(("a", "b"), 5, "--set a.b=5")
    assert source.values == {"a": {"b": 5, "c": 2}, "d": [1, 2]}
    assert str(source.error(("a", "b"), "wrong")) == "--set a.b=5: wrong"
    assert str(source.error(("a", "c"), "wrong")) == "r.yaml:1:14: wrong"
    assert source.with_value(("d", "1"), 7, "--set d.1=7").values["d"] == [1, 7]
    with pytest.raises(RecipeError, match=r"--set d\.5=7: `d\.5`: the list has 2 entries"):
        source.with_value(("d", "5"), 7, "--set d.5=7")
    with pytest.raises(RecipeError, match=r"--set a\.c\.x=7: `a\.c` is 2, with nothing inside"):
        source.with_value(("a", "c", "x"), 7, "--set a.c.x=7")


def test_an_error_points_to_the_nearest_value_around_it_that_was_written() -> None:
    source = read("a:\n  b: 1\n")
    assert str(source.error(("a", "x", "y"), "wrong")) == "r.yaml:1:1: wrong"
    assert str(source.error((), "wrong")) == "r.yaml:1:1: wrong"


_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
_LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT
_PLAIN = st.recursive(
    _LEAF, lambda inside: st.lists(inside, max_size=4) | st.dictionaries(_TEXT, inside, max_size=4), max_leaves=20
)


@given(st.dictionaries(_TEXT, _PLAIN, max_size=5), st.sampled_from([None, True, False]))
def test_any_plain_structure_is_read_back_with_a_place_for_every_part(
    values: dict[str, Any], flow: bool | None
) -> None:
    text = yaml.dump(values, Dumper=_Core, default_flow_style=flow, allow_unicode=True)
    source = read(text)
    assert source.values == values
    lines = text.split("\n")
    for path in _paths(values, ()):
        mark = source.places.values[path]
        assert 1 <= mark.line <= len(lines) + 1
        assert mark.column >= 1


@given(st.text(st.sampled_from(list("ab:-[]{}&*!|>'\"#%@`,? \n\t0.1\u0085\u2028é")), max_size=40))
def test_any_text_is_read_or_refused_by_an_error_of_ours(text: str) -> None:
    try:
        read(text)
    except RecipeError as error:
        assert str(error).startswith("r.yaml")


def _paths(value: Any, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inside for found in _paths(item, (*path, key)))]


class _Core(yaml.SafeDumper):
    """Quotes every text, since PyYAML's idea of a plain one is that of YAML 1.1."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Core.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
