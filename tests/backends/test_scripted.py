import asyncio
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.backends.base import Context, EntropyStop, Piece, Sampling, Token
from headgate.backends.dialect import Dialect
from headgate.backends.errors import Cancelled, NotAModel
from headgate.backends.scripted import END, Replies, Scripted, Skill, Table, load, slip, words

ASK = Context.ask("What is 2 + 2?")
WALK = Table(
    {
        "\n": {"a": 0.5, "b": 0.25, "c": 0.25},
        "a": {"b": 0.7, "\n\n": 0.3},
        "b": {"c": 0.5, "a": 0.4, "</think>": 0.1},
        "*": {"a": 1.0},
    }
)


def said(context: Context, text: str) -> Context:
    return context.append(Piece(role="assistant", text=text, part="think"))


# -- tokens ---------------------------------------------------------------------------------------------------


@given(st.text())
def test_tokens_joined_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text


def test_tokens_are_words_digits_marks_and_runs_of_line_ends() -> None:
    assert words("Tom has 17.\n\n</think>") == ["Tom", " has", " ", "1", "7", ".", "\n\n", "</think>"]


# -- a list of replies ----------------------------------------------------------------------------------------


async def test_replies_are_said_in_order_and_then_the_turn_ends() -> None:
    backend = Scripted(Replies(["one two", "three"]))
    texts = [(await backend.generate(ASK, Sampling()))[0] for _ in range(3)]
    assert [(c.text, c.stop) for c in texts] == [("one two", "eos"), ("three", "eos"), ("", "eos")]


async def test_ratings_are_given_in_order_and_the_last_is_repeated() -> None:
    backend = Scripted(Replies([], ratings=[3, 8]))
    seen = [await backend.peek(backend.judge(ASK), "0123456789") for _ in range(3)]
    assert [max(look.logprobs, key=look.logprobs.__getitem__) for look in seen] == ["3", "8", "8"]
    assert all(look.entropy == 0 for look in seen)


# -- a table --------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.integers(1, 30))
def test_generate_peek_and_score_of_a_table_agree_to_the_last_bit(seed: int, temperature: float, most: int) -> None:
    async def scenario() -> None:
        backend = Scripted(WALK)
        sampling = Sampling(temperature=temperature, max_tokens=most, seed=seed, entropies=True)
        heard = list[Token]()
        (spoken,) = await backend.generate(ASK, sampling, on_token=heard.append)
        scored = await backend.score(ASK, spoken.piece("think", "draft"))
        assert scored.logprobs[: len(spoken.logprobs)] == spoken.logprobs
        assert len(scored.logprobs) == len(spoken.logprobs) + (spoken.stop == "think_end")
        context = ASK
        assert spoken.entropies and len(spoken.entropies) == spoken.usage.output
        for token, entropy in zip(heard, spoken.entropies[: len(heard)], strict=True):
            seen = await backend.peek(context, [token.text])
            assert (seen.logprobs[token.text], seen.entropy) == (token.logprob, entropy)
            context = said(context, token.text)

    asyncio.run(scenario())


async def test_a_step_that_another_scripted_model_wrote_is_read_in_the_tokens_it_was_sampled_in() -> None:
    (step,) = await chain("a", "b", "c").generate(ASK, Sampling(max_tokens=2))
    context = ASK.append(step.piece("think", "draft"))
    assert (await chain("x", "a", "b", "c").peek(context, ["c"])).logprobs == {"c": 0.0}
    assert Scripted(WALK).count(context) == Scripted(WALK).count(ASK) + 2


async def test_entropy_is_exact_and_in_nats() -> None:
    uniform = Scripted(Table({"*": {"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25}}))
    certain = Scripted(Table({"*": {"a": 1.0}}))
    assert (await uniform.peek(ASK)).entropy == pytest.approx(math.log(4))
    assert (await certain.peek(ASK)).entropy == 0


async def test_a_text_counts_with_and_without_the_space_before_it() -> None:
    seen = await Scripted(Table({"*": {"7": 0.5, " 7": 0.25, "8": 0.25}})).peek(ASK, ["7", "8", "9"])
    assert seen.logprobs == {"7": math.log(0.75), "8": math.log(0.25), "9": -math.inf}


async def test_greedy_ties_go_to_the_first_of_the_table() -> None:
    (spoken,) = await Scripted(Table({"*": {"b": 0.5, "a": 0.5}})).generate(ASK, Sampling(max_tokens=3))
    assert spoken.text == "bbb"


async def test_top_k_and_top_p_cut_the_tail() -> None:
    backend = Scripted(Table({"*": {"a": 0.5, "b": 0.3, "c": 0.2}}))
    for cut, kept in [
        (Sampling(temperature=1.0, top_k=2, max_tokens=200), {"a", "b"}),
        (Sampling(temperature=1.0, top_k=1, max_tokens=200), {"a"}),
        (Sampling(temperature=1.0, top_p=0.7, max_tokens=200), {"a", "b"}),
        (Sampling(temperature=1.0, top_p=0.5, max_tokens=200), {"a"}),
        (Sampling(temperature=1.0, max_tokens=200), {"a", "b", "c"}),
    ]:
        assert set((await backend.generate(ASK, cut))[0].text) == kept


@pytest.mark.parametrize("temperature", [1e-300, 1e-6, 1e-3])
async def test_a_temperature_near_zero_is_nearly_greedy(temperature: float) -> None:
    backend = Scripted(Table({"*": {"b": 0.4, "a": 0.6}}))
    (spoken,) = await backend.generate(ASK, Sampling(temperature=temperature, max_tokens=20))
    assert spoken.text == "a" * 20


async def test_samples_follow_the_distribution() -> None:
    (spoken,) = await Scripted(Table({"*": {"a": 0.7, "b": 0.3}})).generate(
        ASK, Sampling(temperature=1.0, max_tokens=4000, seed=1)
    )
    assert 0.66 < spoken.text.count("a") / 4000 < 0.74


async def test_a_seed_decides_the_draws_and_a_second_sample_has_its_own() -> None:
    backend, sampling = Scripted(WALK), Sampling(temperature=1.0, max_tokens=30, seed=5)
    first, again = await backend.generate(ASK, sampling, n=2), await backend.generate(ASK, sampling, n=2)
    assert [c.text for c in first] == [c.text for c in again]
    assert first[0].text != first[1].text


@pytest.mark.parametrize("row", [{"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": math.nan}])
def test_a_row_that_is_no_distribution_is_refused(row: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no distribution"):
        Table({"x": row})


# -- a skill --------------------------------------------------------------------------------------------------

SOLVED = {"What is 2 + 2?": (["2 + 2 = 4", "so it is 4"], "4")}


async def think(backend: Scripted, seed: int = 0) -> tuple[list[str], str]:
    context, steps = ASK, list[str]()
    while True:
        (step,) = await backend.generate(context, Sampling(stop=("\n\n",), seed=seed))
        steps.append(step.text)
        context = context.append(step.piece("think", "draft"))
        if step.stop == "think_end":
            (answer,) = await backend.generate(context.then("answer"), Sampling())
            return steps, answer.text


async def test_full_skill_solves_and_none_slips_at_every_step() -> None:
    assert await think(Scripted(Skill(SOLVED))) == (["2 + 2 = 4\n\n", "so it is 4\n\n", ""], "\\boxed{4}")
    assert await think(Scripted(Skill(SOLVED, skill=0.0))) == (
        ["2 + 2 = 5\n\n", "so it is 5\n\n", ""],
        "\\boxed{5}",
    )


async def test_a_whole_thinking_at_once_is_as_good_as_its_steps() -> None:
    for skill, boxed in [(1.0, "\\boxed{4}"), (0.0, "\\boxed{5}")]:
        backend = Scripted(Skill(SOLVED, skill=skill))
        (thought,) = await backend.generate(ASK, Sampling())
        context = ASK.append(thought.piece("think", "draft")).then("answer")
        assert (await backend.generate(context, Sampling()))[0].text == boxed


async def test_skill_is_the_share_of_right_steps() -> None:
    backend = Scripted(Skill(SOLVED, skill=0.7))
    right = 0
    for seed in range(300):
        (step,) = await backend.generate(ASK, Sampling(stop=("\n\n",), seed=seed))
        right += step.text == "2 + 2 = 4\n\n"
    assert 0.6 < right / 300 < 0.8


async def test_a_full_judge_rates_right_steps_nine_and_wrong_ones_zero() -> None:
    backend = Scripted(Skill(SOLVED))
    for text, rating in [("2 + 2 = 4\n\n", "9"), ("2 + 2 = 5\n\n", "0")]:
        seen = await backend.peek(backend.judge(said(ASK, text)), "0123456789")
        assert max(seen.logprobs, key=seen.logprobs.__getitem__) == rating


async def test_a_wrong_step_is_unlikely_at_its_wrong_token() -> None:
    backend = Scripted(Skill(SOLVED))
    right = await backend.score(ASK, Piece(role="assistant", text="2 + 2 = 4\n\n", part="think"))
    wrong = await backend.score(ASK, Piece(role="assistant", text="2 + 2 = 5\n\n", part="think"))
    assert min(right.logprobs) > math.log(0.8)
    assert min(wrong.logprobs) < math.log(0.2)


def test_a_slip_changes_the_last_digit_or_leaves_a_mark() -> None:
    assert (slip("19 apples"), slip("none"), slip("")) == ("10 apples", "none?", "?")


async def test_the_clock_is_simulated() -> None:
    backend = Scripted(Skill(SOLVED), seconds_per_token=2.0, seconds_per_call=1.0)
    (step,) = await backend.generate(ASK, Sampling(stop=("\n\n",)))
    assert step.usage.seconds == 1.0 + 2.0 * step.usage.output


# -- how a generation ends ------------------------------------------------------------------------------------


def chain(*tokens: str) -> Scripted:
    """Says these tokens, one after the other, then ends its turn; tokens are distinct."""
    rows = {a: {b: 1.0} for a, b in zip(("\n", *tokens), (*tokens, END), strict=False)}
    return Scripted(Table(rows))


@pytest.mark.parametrize(
    ("tokens", "stop", "text"),
    [
        (["a", "\n\n", "b"], "\n\n", "a\n\n"),
        (["a", ".\n\n", "b"], "\n\n", "a.\n\n"),
        (["a", "\n\nb", "c"], "\n\n", "a\n\nb"),
        (["a", "x\n", "\n ", "b"], "\n\n", "ax\n\n "),
        (["a", "\n\n\n", "b"], "\n\n", "a\n\n\n"),
        (
            ["a", " the", " end", " of", " it", " all", " here", " and", " now", "!", "b"],
            "the end of it all here and now!",
            "a the end of it all here and now!",
        ),
    ],
)
async def test_a_delimiter_ends_with_the_token_that_completes_it_which_is_kept_whole(
    tokens: list[str], stop: str, text: str
) -> None:
    (spoken,) = await chain(*tokens).generate(ASK, Sampling(stop=(stop,)))
    assert (spoken.text, spoken.stop) == (text, "delimiter")


async def test_a_text_that_only_resembles_a_delimiter_goes_on() -> None:
    (spoken,) = await chain("a", "\r\n", "b", " \n", "c").generate(ASK, Sampling(stop=("\n\n",)))
    assert (spoken.text, spoken.stop) == ("a\r\nb \nc", "eos")


async def test_a_closing_tag_ends_thinking_and_is_billed_but_not_part_of_the_text() -> None:
    (spoken,) = await chain("a", "</think>", "b").generate(ASK, Sampling())
    assert (spoken.text, spoken.stop, spoken.usage.output, len(spoken.token_ids)) == ("a", "think_end", 2, 1)
    assert spoken.usage.reasoning == 2


async def test_a_closing_tag_means_nothing_outside_of_thinking() -> None:
    backend = Scripted(Table({"*": {"</think>": 1.0}}))
    (spoken,) = await backend.generate(ASK.then("answer"), Sampling(max_tokens=2))
    assert (spoken.text, spoken.stop, spoken.usage.reasoning) == ("</think></think>", "length", 0)


@pytest.mark.parametrize("most", [0, 1, 2, 5])
async def test_never_more_tokens_are_written_than_allowed(most: int) -> None:
    (spoken,) = await Scripted(Table({"*": {"a": 1.0}})).generate(ASK, Sampling(max_tokens=most))
    assert (spoken.text, spoken.stop, spoken.usage.output) == ("a" * most, "length", most)


async def test_a_delimiter_at_the_last_allowed_token_is_a_delimiter() -> None:
    (spoken,) = await chain("a", "\n\n").generate(ASK, Sampling(max_tokens=2, stop=("\n\n",)))
    assert spoken.stop == "delimiter"


async def test_a_generation_ends_before_the_first_token_that_is_too_uncertain() -> None:
    backend = Scripted(Table({"\n": {"a": 1.0}, "a": {"b": 0.9, "c": 0.1}, "b": {"x": 0.5, "y": 0.5}}))
    (spoken,) = await backend.generate(ASK, Sampling(entropy_stop=EntropyStop(above=0.5)))
    assert (spoken.text, spoken.stop, spoken.usage.output) == ("ab", "entropy", 2)
    (none,) = await backend.generate(said(ASK, "b"), Sampling(entropy_stop=EntropyStop(above=0.5)))
    assert (none.text, none.stop, none.usage.output) == ("", "entropy", 0)


async def test_tokens_stream_in_order_and_a_listener_may_stop_them() -> None:
    heard = list[Token]()

    def listen(token: Token) -> bool:
        heard.append(token)
        return len(heard) == 2

    (spoken,) = await chain("a", "b", "c").generate(ASK, Sampling(), on_token=listen)
    assert (spoken.text, spoken.stop) == ("ab", "callback")
    assert [(token.text, token.id) for token in heard] == list(zip("ab", spoken.token_ids, strict=True))


async def test_only_the_first_of_several_samples_streams() -> None:
    heard = list[str]()
    backend = Scripted(WALK)
    sampling = Sampling(temperature=1.0, max_tokens=9)
    done = await backend.generate(ASK, sampling, n=3, on_token=lambda token: heard.append(token.text))
    assert "".join(heard) == done[0].text


# -- the bill -------------------------------------------------------------------------------------------------


async def test_what_was_read_before_is_cached() -> None:
    backend = Scripted(Table({"*": {"a": 1.0}}))
    (first,) = await backend.generate(ASK, Sampling(max_tokens=1))
    (again,) = await backend.generate(ASK, Sampling(max_tokens=1))
    size = backend.count(ASK)
    assert (first.usage.input, first.usage.cached_input) == (size, 0)
    assert (again.usage.input, again.usage.cached_input) == (0, size)
    longer = said(ASK, "b c")
    seen = await backend.peek(longer)
    assert (seen.usage.input, seen.usage.cached_input) == (backend.count(longer) - size, size)


async def test_a_prompt_is_paid_once_for_all_its_samples() -> None:
    done = await Scripted(WALK).generate(ASK, Sampling(temperature=1.0, max_tokens=4), n=3)
    assert [c.usage.calls for c in done] == [1, 0, 0]
    assert [c.usage.input > 0 for c in done] == [True, False, False]


async def test_judging_leaves_no_mark_on_what_comes_next() -> None:
    sampling = Sampling(temperature=1.0, max_tokens=20, seed=9)
    plain, judged = Scripted(WALK), Scripted(WALK)
    for _ in range(3):
        await judged.peek(judged.judge(said(ASK, "a")), "0123456789")
        await judged.score(ASK, Piece(role="assistant", text="abc", part="think"))
    assert (await plain.generate(ASK, sampling))[0].text == (await judged.generate(ASK, sampling))[0].text


@pytest.mark.parametrize("after", [1, 3, 6])
async def test_a_cancelled_generation_tells_what_it_had_written(after: int) -> None:
    heard = list[str]()
    backend = Scripted(Table({"*": {"a": 1.0}}))
    call = backend.generate(ASK, Sampling(max_tokens=1000), on_token=lambda token: heard.append(token.text))
    task = asyncio.create_task(call)
    while len(heard) < after:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(Cancelled) as caught:
        await task
    assert caught.value.usage.output == len(heard)
    assert caught.value.usage.input == backend.count(ASK)


async def test_a_cancelled_call_of_several_samples_pays_for_those_that_were_done() -> None:
    backend = Scripted(Table({"*": {"a": 1.0}}))
    task = asyncio.create_task(backend.generate(ASK, Sampling(max_tokens=10), n=3))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(Cancelled) as caught:
        await task
    assert caught.value.usage.output == 20


# -- a file ---------------------------------------------------------------------------------------------------


async def test_a_model_is_loaded_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "draft.json"
    path.write_text('{"form": "replies", "replies": ["hello"], "seconds_per_token": 0.5}')
    (spoken,) = await load(path).generate(ASK, Sampling())
    assert (spoken.text, spoken.usage.seconds) == ("hello", 1.0)
    path.write_text('{"form": "skill", "solutions": {"What is 2 + 2?": [["2 + 2 = 4"], "4"]}, "skill": 1}')
    assert (await think(load(path)))[1] == "\\boxed{4}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"form": "parrot"}',
        '{"form": "replies"}',
        '{"form": "replies", "replies": [], "more": 1}',
        '{"form": "table", "table": {"a": {"b": 0.5}}}',
        '{"form": "table", "table": 5}',
    ],
)
def test_a_file_that_is_no_model_says_what_to_write(tmp_path: Path, text: str) -> None:
    path = tmp_path / "draft.json"
    path.write_text(text)
    with pytest.raises(NotAModel, match=r"is no scripted model.*write"):
        load(path)
    with pytest.raises(NotAModel):
        load(tmp_path / "absent.json")


async def test_its_dialect_words_the_request_for_a_rating() -> None:
    backend = Scripted(Replies([]), dialect=Dialect(judge="How good?", judge_prefill="Score: "))
    context = backend.judge(said(ASK, "a"))
    assert [piece.text for piece in context.pieces[-2:]] == ["How good?", "Score: "]
    assert context.writing == "text"
