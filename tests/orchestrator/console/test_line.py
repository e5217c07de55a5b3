import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from headgate.orchestrator.console.line import Line, wrapped


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 5, [""]),
        ("one two three", 7, ["one two", "three"]),
        ("a\n\nb", 5, ["a", "", "b"]),
        ("  indented", 10, ["  indented"]),
        ("123456789", 4, ["1234", "5678", "9"]),
        ("a 123456789", 4, ["a", "1234", "5678", "9"]),
        ("漢字漢字", 5, ["漢字", "漢字"]),
        ("漢", 1, ["漢"]),
    ],
)
def test_texts_break_between_words_and_in_words_only_where_they_must(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width) == lines


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"])).map(str), st.integers(2, 30))
def test_no_line_is_too_wide_and_no_character_is_lost(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert max(map(cell_len, lines)) <= width
    assert "".join(lines) == text


def test_a_cut_line_ends_at_its_width_even_within_a_wide_character() -> None:
    line = Line("ab", "bold").append("漢字")
    assert line.cut(5).plain == "ab漢 "
    assert line.cut(6) is line


def test_what_stands_right_ends_at_the_width() -> None:
    line = Line("left").right(Line("right"), 12)
    assert (line.plain, line.cell_len) == ("left   right", 12)
