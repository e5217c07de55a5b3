from rich.cells import cell_len

from headgate.orchestrator.traces import Token
from headgate.orchestrator.viewer.heat import digits, heat, level

SURE, UNSURE, LOST = Token("Max", -0.01, 0.0), Token(":8*", -1.2, 1.0), Token("\x1b\n", -4.0, 3.0)


def test_a_token_is_shaded_by_how_likely_it_was() -> None:
    assert [level(Token("a", logprob, None)) for logprob in (-0.05, -0.5, -1.2, -2.5, -4.0)] == [0, 1, 2, 3, 4]
    assert level(Token("a", None, None)) == 0


def test_signs_below_a_text_say_the_same_without_colour() -> None:
    text, likely, doubt = (line.plain for line in heat([SURE, UNSURE, LOST], 40))
    assert text == r"Max:8*\x1b\n"
    assert likely == "   " + ":::" + "#" * 6
    assert doubt == "   " + ":::" + "#" * 6


def test_a_text_of_which_nothing_is_known_has_no_heat() -> None:
    assert heat([Token("Max", None, None)], 40) == []
    assert [line.plain for line in heat([SURE], 40)] == ["Max"]  # and nothing to point at below it


def test_stretches_fit_the_screen_whatever_the_letters() -> None:
    tokens = [Token("漢字", -2.0, None), Token("ab", -2.0, None)] * 20
    lines = heat(tokens, 13)
    assert all(line.cell_len <= 13 for line in lines)
    assert "".join(line.plain for line in lines[::2]) == "漢字ab" * 20
    assert all(cell_len(one.plain) == cell_len(two.plain) for one, two in zip(lines[::2], lines[1::2], strict=True))


def test_digits_say_their_share_where_it_is_one() -> None:
    shares = [0.0] * 8 + [0.25, 0.75]
    assert digits(shares, utf8=True).plain.split("  ")[-3:] == ["0▁ 1▁ 2▁ 3▁ 4▁ 5▁ 6▁ 7▁ 8▃ 25%", "9▇ 75%", ""]
    assert digits(shares, utf8=False).plain.isascii()
