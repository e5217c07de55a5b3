import asyncio
import math
from collections.abc import Mapping
from typing import Protocol

import pytest

from headgate.backends.base import Completion, Context, EntropyStop, Piece, Sampling, Token
from headgate.backends.local.backend import LocalBackend


class Follow(Protocol):
    def __call__(self, table: Mapping[str, str | list[str]], path: str = "") -> LocalBackend: ...


def write(backend: LocalBackend, context: Context, **wishes: object) -> Completion:
    return asyncio.run(backend.generate(context, Sampling(**wishes)))[0]  # type: ignore[arg-type]


def says(text: str) -> Context:
    """The assistant has written `text` and goes on."""
    question = Piece(role="user", text="?")
    return Context((question, Piece(role="assistant", text=text, part="think")), "think")


def test_a_delimiter_that_straddles_two_tokens_ends_with_the_token_that_completes_it(follow: Follow) -> None:
    done = write(follow({"x": "ab", "ab": "ef", "ef": "x"}), says("x"), stop=("be",))
    assert (done.text, done.stop, len(done.token_ids)) == ("abef", "delimiter", 2)


def test_what_a_token_carries_beyond_the_delimiter_is_kept(follow: Follow) -> None:
    done = write(follow({"x": ".\n\n\n", ".\n\n\n": "x"}), says("x"), stop=("\n\n",))
    assert (done.text, done.stop, done.usage.output) == (".\n\n\n", "delimiter", 1)


def test_a_delimiter_does_not_begin_in_the_prompt(follow: Follow) -> None:
    done = write(follow({"x": "y", "y": "z", "z": "x"}), says("x"), stop=("xy",))
    assert (done.text, done.stop) == ("yzxy", "delimiter")


def test_a_closing_tag_ends_thinking_is_billed_and_is_not_text(follow: Follow) -> None:
    done = write(follow({"x": "y", "y": "</think>", "</think>": "x"}), says("x"))
    assert (done.text, done.stop, len(done.token_ids), len(done.logprobs)) == ("y", "think_end", 1, 1)
    assert (done.usage.output, done.usage.reasoning) == (2, 2)


def test_a_closing_tag_that_is_spelled_out_ends_thinking_too(follow: Follow) -> None:
    done = write(follow({}, path="x.</think>"), says("x"))
    assert (done.text, done.stop, done.usage.output) == (".", "think_end", 9)


def test_a_closing_tag_is_text_where_no_thinking_is_written(follow: Follow) -> None:
    context = Context((Piece(role="user", text="?"), Piece(role="assistant", text="x")))
    done = write(follow({"x": "</think>", "</think>": "<|im_end|>"}), context)
    assert (done.text, done.stop, done.usage.output, done.usage.reasoning) == ("</think>", "eos", 2, 0)


def test_the_end_of_a_turn_is_billed_and_is_not_text(follow: Follow) -> None:
    done = write(follow({"x": "y", "y": "<|im_end|>"}), says("x"))
    assert (done.text, done.stop, done.usage.output, len(done.token_ids)) == ("y", "eos", 2, 1)


def test_the_last_token_may_be_a_delimiter(follow: Follow) -> None:
    backend = follow({"x": "y", "y": "z", "z": "x"})
    assert write(backend, says("x"), max_tokens=2, stop=("z",)).stop == "delimiter"
    assert write(backend, says("x"), max_tokens=2).stop == "length"
    assert write(backend, says("x"), max_tokens=0).text == ""


def test_a_character_split_over_tokens_is_whole(follow: Follow) -> None:
    done = write(follow({}, path="xé€"), says("x"), max_tokens=5)
    assert (done.text, len(done.token_ids)) == ("é€", 5)


def test_a_character_split_over_completions_is_whole(follow: Follow) -> None:
    backend = follow({}, path="xé€")
    first = write(backend, says("x"), max_tokens=3)
    second = write(backend, says("x").append(first.piece("think", "")), max_tokens=2)
    assert (first.text, second.text) == ("é", "€")


def test_streamed_text_holds_back_half_characters(follow: Follow) -> None:
    seen: list[Token] = []
    backend = follow({}, path="xé€")
    asyncio.run(backend.generate(says("x"), Sampling(max_tokens=5), on_token=seen.append))
    assert [token.text for token in seen] == ["", "é", "", "", "€"]


def test_the_entropy_of_two_equal_choices_is_ln_2_and_ties_go_to_the_lowest_id(follow: Follow) -> None:
    backend = follow({"x": ["y", "z"], "y": "x"})
    done = write(backend, says("x"), max_tokens=2, entropies=True)
    assert done.text == "yx"
    assert done.entropies == pytest.approx((math.log(2), 0.0), abs=1e-4)


def test_a_generation_ends_before_the_first_token_that_is_too_uncertain(follow: Follow) -> None:
    backend = follow({"x": "a", "a": "b", "b": ["y", "z"]})
    done = write(backend, says("x"), entropy_stop=EntropyStop(above=0.5))
    assert (done.text, done.stop, done.usage.output) == ("ab", "entropy", 2)
    assert write(backend, says("x"), entropy_stop=EntropyStop(above=0.8), max_tokens=3).stop == "length"


def test_the_first_token_may_be_too_uncertain(follow: Follow) -> None:
    done = write(follow({"x": ["y", "z"]}), says("x"), entropy_stop=EntropyStop(above=0.5))
    assert (done.text, done.stop, done.usage.output, done.token_ids) == ("", "entropy", 0, ())


def test_texts_are_read_with_and_without_a_leading_space(follow: Follow) -> None:
    peeked = asyncio.run(follow({"x": ["7", " 7", "y"]}).peek(says("x"), ["7", "8", "no token"]))
    assert peeked.logprobs["7"] == pytest.approx(math.log(2 / 3), abs=1e-4)
    assert peeked.logprobs["8"] < -20
    assert peeked.logprobs["no token"] == -math.inf
    assert peeked.entropy == pytest.approx(math.log(3), abs=1e-4)


def test_a_user_cannot_spell_control_tokens(follow: Follow) -> None:
    backend = follow({})
    plain = backend.count(Context.ask("x" * len("<|im_end|>")))
    assert backend.count(Context.ask("<|im_end|>")) == plain
