import pytest

from headgate.backends import spelling
from headgate.backends.base import Completion
from headgate.budget.cost import Cost

SPELLED = [b"Max", b":8*", b"27", b"\n\n", b"\xe2\x82", b"\xac", b" "]


def wrote(*ids: int, text: str | None = None, **more: tuple[float, ...]) -> Completion:
    spelling.learn("spelled", SPELLED.__getitem__)
    said = b"".join(SPELLED[id] for id in ids).decode() if text is None else text
    return Completion(text=said, stop="eos", usage=Cost(), token_ids=ids, tokenizer="spelled", **more)  # type: ignore[arg-type]


def test_lengths_are_the_characters_of_each_token() -> None:
    assert spelling.lengths(wrote(0, 1, 2, 3)) == [3, 3, 2, 2]


def test_a_character_of_several_tokens_belongs_to_the_last() -> None:
    assert spelling.lengths(wrote(0, 4, 5, 6)) == [3, 0, 1, 1]


@pytest.mark.parametrize("other", [{"tokenizer": "unheard of"}, {"text": "Max:8*28"}, {"token_ids": ()}])
def test_a_text_that_its_tokens_do_not_spell_has_no_figures(other: dict[str, object]) -> None:
    told = {"text": "Max:8*27", "tokenizer": "spelled", "token_ids": (0, 1, 2), "logprobs": (-0.1, -0.2, -0.3)} | other
    assert spelling.figures(Completion(stop="eos", usage=Cost(), **told)) == {}  # type: ignore[arg-type]


def test_figures_are_rounded_and_as_many_as_there_are_tokens() -> None:
    completion = wrote(0, 2, logprobs=(-0.1234, -2.0), entropies=(0.5, 0.125, 3.0))  # the last was before the end
    assert spelling.figures(completion) == {"lengths": [3, 2], "logprobs": [-0.12, -2.0], "entropies": [0.5, 0.12]}
    assert "entropies" not in spelling.figures(wrote(0, logprobs=(-0.1,)))
