import pytest

from headgate.backends.scripted import words
from headgate.strategies.sentences import Sentence


def split(text: str, marks: str = ".?!\n") -> list[str]:
    """A text's sentences, as they are found token by token with one token of foresight."""
    tokens, found, sentence = words(text), [""], Sentence(marks)
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        sentence.text += token
        found[-1] += token
        over = sentence.over()
        if over is None and sentence.over(following) and not following.isspace():
            over = True
        if over:
            sentence.begin()
            found.append("")
    return found if found[-1] else found[:-1]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It is 3.14 then. Go.", ["It is 3.14 then.", " Go."]),
        ("Take e.g. this one. Then i.e. that.", ["Take e.g. this one.", " Then i.e. that."]),
        ("Wait... no! Why?! So.", ["Wait...", " no!", " Why?!", " So."]),
        ("It is \\boxed{5}. Done", ["It is \\boxed{5}.", " Done"]),
        ("a.\n\nb", ["a.\n\n", "b"]),
        ("a\nb\n", ["a\n", "b\n"]),
        ("\n\na. b", ["\n\na.", " b"]),
        ("With $x. y$ it is. Or $z$. Yes", ["With $x. y$ it is.", " Or $z$.", " Yes"]),
        ("He said (so.) and left. It is.", ["He said (so.)", " and left.", " It is."]),
        ("Let it be a. Then b.", ["Let it be a.", " Then b."]),
        ("So 5! = 120 and 5!/3 too", ["So 5!", " = 120 and 5!/3 too"]),
        ("x.y.z", ["x.y.z"]),
    ],
)
def test_a_text_falls_into_its_sentences(text: str, sentences: list[str]) -> None:
    assert split(text) == sentences
    assert "".join(split(text)) == text


def test_marks_in_a_code_block_end_nothing_and_its_lines_do() -> None:
    text = "Look.\n```\na = b. c\nd. e\n```\nSo. Yes."
    assert split(text) == ["Look.\n", "```\n", "a = b. c\n", "d. e\n", "```\n", "So.", " Yes."]


def test_the_characters_that_end_a_sentence_are_a_choice() -> None:
    assert split("a. b; c\nd", ";") == ["a. b;", " c\nd"]
    assert split("a. b; c\nd", "\n") == ["a. b; c\n", "d"]
    assert split("a. b; c\nd", "") == ["a. b; c\nd"]


@pytest.mark.parametrize(
    ("text", "known", "before_space", "before_more", "at_the_end"),
    [
        ("It is 3.", None, True, False, True),
        ("So it is!", None, True, False, True),
        ("So it is. ", True, True, True, True),
        ("So it is\n", True, True, True, True),
        ("So it is", False, False, False, False),
        (" \n", False, False, False, False),
        ("As e.g.", False, False, False, False),
        ("As e.", None, True, False, True),
    ],
)
def test_what_follows_tells_where_the_text_cannot(
    text: str, known: bool | None, before_space: bool, before_more: bool, at_the_end: bool
) -> None:
    sentence = Sentence(text=text)
    assert sentence.over() is known
    assert [sentence.over(" a"), sentence.over("14"), sentence.over("")] == [before_space, before_more, at_the_end]
