import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.verifiers.numeric import key, quantity, same


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("42", 42, ""),
        ("-42", -42, ""),
        ("\u221242", -42, ""),
        ("+42", 42, ""),
        ("42.", 42, ""),
        ("42.0", 42, ""),
        (".5", Fraction(1, 2), ""),
        ("-.5", Fraction(-1, 2), ""),
        ("1,234", 1234, ""),
        ("1,234,567.25", Fraction("1234567.25"), ""),
        ("1 234 567", 1234567, ""),
        ("1\u202f234", 1234, ""),
        ("1\u00a0234", 1234, ""),
        ("1{,}234", 1234, ""),
        (r"10,\!000", 10_000, ""),
        (r"1\,234", 1234, ""),
        ("3/4", Fraction(3, 4), ""),
        ("3 / 4", Fraction(3, 4), ""),
        ("-3/4", Fraction(-3, 4), ""),
        ("0.5/2", Fraction(1, 4), ""),
        (r"\frac{3}{4}", Fraction(3, 4), ""),
        (r"-\dfrac{3}{4}", Fraction(-3, 4), ""),
        (r"\tfrac34", Fraction(3, 4), ""),
        (r"2\frac{1}{2}", Fraction(5, 2), ""),
        (r"-2 \frac{1}{2}", Fraction(-5, 2), ""),
        (r"$\frac{1{,}000}{4}$", 250, ""),
        ("1e3", 1000, ""),
        ("1.5e-3", Fraction(3, 2000), ""),
        ("5 apples", 5, "apple"),
        ("5 apple", 5, "apple"),
        (r"5 \text{ apples}", 5, "apple"),
        ("50%", 50, "%"),
        (r"50\%", 50, "%"),
        ("€ 5", 5, "€"),
        ("$5", 5, ""),
        (r"\$5.50", Fraction(11, 2), ""),
        ("5 km", 5, "km"),
    ],
)
def test_a_number_is_read_exactly_with_its_unit(text: str, value: int | Fraction, unit: str) -> None:
    assert quantity(text) == (Fraction(value), unit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-",
        "e5",
        "E10",
        "-e5",
        "x",
        "(1, 2)",
        "1, 2",
        "1,2,3",
        "12,34",
        "3:30",
        "1.2.3",
        "1/0",
        "1/2/3",
        "5 or 6",
        "x = 5",
        "2^10",
        "Room 5",
        r"1.5\frac{1}{2}",
        r"2\frac{x}{3}",
        r"\frac{1}{0}",
        r"\frac{\frac{1}{2}}{3}",
        "1e9999",
        "nan",
        "inf",
    ],
)
def test_what_is_not_one_number_is_compared_as_text(text: str) -> None:
    assert quantity(text) is None
    assert same(text, text)
    assert not same(text, "77")


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("0.5", "1/2", True),
        ("0.333", "1/3", False),
        ("5 apples", "5", True),
        ("5 apples", "5 oranges", False),
        ("50%", "0.5", False),
        ("50%", "50 %", True),
        ("Paris", "paris", True),
        ("5", "five", False),
        ("1,000", "1000.00", True),
    ],
)
def test_answers_are_the_same_number_or_the_same_text(left: str, right: str, equal: bool) -> None:
    assert same(left, right) is same(right, left) is equal


@given(st.fractions(max_denominator=10**6))
def test_a_fraction_and_its_latex_are_the_same(value: Fraction) -> None:
    plain = f"{value.numerator}/{value.denominator}"
    sign = "-" if value < 0 else ""
    assert same(plain, f"{sign}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}")
    assert key(plain) == key(f"{plain} apples") == str(value)


@given(st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_separators_and_trailing_zeros_do_not_count(value: int, zeros: int) -> None:
    assert same(str(value), f"{value:,}" + ("." + "0" * zeros if zeros else ""))
    assert key(str(value)) == key(f"{value:,}")


HOSTILE = [
    "1" * 5000,
    "9" * 10**6,
    "9" * 999 + "e999",
    "1e999",
    "1e-999",
    "1e" + "9" * 500,
    "1e999/1e-999",
    "0." + "0" * 900 + "1e-999",
    "1" * 490 + "e999/0." + "1" * 490 + "e-999",
    "1," * 400,
    "1,111" * 150,
    " " * 10**6 + "1",
    "1" + " " * 10**6 + "/" + " " * 10**6 + "x1",
    "\\frac{" * 10**5,
    "\\frac{" + "{" * 10**5,
    "\\text{" * 10**5,
    "-" * 10**5,
    "\u0664\u0662",
    "\u00b2",
    "\ud800",
    "\x00",
    "1_000",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_answers_neither_crash_nor_hang(text: str) -> None:
    began = time.perf_counter()
    assert isinstance(key(text), str)
    assert same(text, text)
    assert not same(text, "77 apples")
    assert time.perf_counter() - began < 2


@given(st.text("0123456789.,/-+eE $%\\{}frac x", max_size=30))
def test_any_answer_equals_itself_and_has_a_key(text: str) -> None:
    assert same(text, text)
    assert key(text) == key(f" {text} ")


@pytest.mark.parametrize("text", ["5²", "5/x", "5x+1", "5*3", "5 = 2"])
def test_a_term_that_goes_on_is_no_number_with_a_unit(text: str) -> None:
    assert quantity(text) is None
    assert not same(text, "5")
