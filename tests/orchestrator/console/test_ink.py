import pytest

from headgate.orchestrator.console.ink import Palette, count, dollars, duration, harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\rb", r"a\x0db"),
        ("\x9b2J", r"\x9b2J"),
        ("safe\u202eevil", r"safe\u202eevil"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("é 漢 🙂 \\boxed{1}", "é 漢 🙂 \\boxed{1}"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_draft_and_target_have_colours_of_their_own() -> None:
    palette = Palette()
    names = ["draft", "target", "judge", "student", "teacher"]
    assert len({palette[name] for name in names}) == len(names)
    assert [Palette()[name] for name in ("draft", "judge")] == [palette["draft"], palette["judge"]]


@pytest.mark.parametrize(
    ("n", "shown"),
    [(0, "0"), (9999, "9,999"), (10_000, "10.0k"), (99_960, "100k"), (999_600, "1.00M"), (2e9, "2.00G")],
)
def test_tokens_are_counted_in_five_characters(n: float, shown: str) -> None:
    assert count(n) == shown


@pytest.mark.parametrize(
    ("nano", "shown"),
    [(0, "$0.00"), (5, "$0.000000005"), (410_000, "$0.00041"), (52e6, "$0.052"), (12.3e9, "$12.30")],
)
def test_dollars_show_two_significant_digits(nano: float, shown: str) -> None:
    assert dollars(nano) == shown


@pytest.mark.parametrize(
    ("s", "shown"), [(0.142, "0.14 s"), (3.24, "3.2 s"), (59.6, "1:00"), (125, "2:05"), (3725, "1:02:05")]
)
def test_durations_are_read_at_a_glance(s: float, shown: str) -> None:
    assert duration(s) == shown
