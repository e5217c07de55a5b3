import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.verifiers.exact import boxed, normal, same


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\boxed{1}, no, \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{ 7 }", "7"),
        (r"\boxed{}", ""),
        (r"\boxed{1} and then \boxed{2", "1"),
        (r"\boxed{a \boxed{b} c}", "b"),
        (r"\boxed{x} }}}", "x"),
        (r"}}} \boxed{x}", "x"),
        (r"\boxed{{{}}}", "{{}}"),
        (r"\boxed{", None),
        (r"\boxed", None),
        ("42", None),
        ("", None),
    ],
)
def test_the_last_complete_box_holds_the_answer(text: str, found: str | None) -> None:
    assert boxed(text) == found


@given(st.text("{} x"), st.text("ab1 ", max_size=5))
def test_what_is_put_into_a_box_is_found_whatever_stands_before(before: str, inner: str) -> None:
    assert boxed(before + "\\boxed{" + inner + "}") == inner.strip()


@pytest.mark.parametrize("hostile", ["\\boxed{" * 50_000, "{" * 300_000, "}" * 300_000, "\\boxed{" + "{}" * 100_000])
def test_hostile_braces_take_no_time(hostile: str) -> None:
    began = time.perf_counter()
    assert boxed(hostile) is None
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Paris", " paris. "),
        (r"\text{Paris}", "Paris"),
        ("$x$", "x"),
        (r"\$5", "5"),
        ("a  b\nc", "a b c"),
        ("STRASSE", "straße"),
        ("", " . "),
    ],
)
def test_case_spaces_wrappers_and_a_full_stop_do_not_count(left: str, right: str) -> None:
    assert same(left, right)


@pytest.mark.parametrize(("left", "right"), [("Paris", "London"), ("a b", "ab"), ("1", "1.0")])
def test_other_texts_are_other_answers(left: str, right: str) -> None:
    assert not same(left, right)


@given(st.text())
def test_normal_text_stays_as_it_is(text: str) -> None:
    plain = normal(text)
    assert plain == plain.strip()
    assert "$" not in plain
