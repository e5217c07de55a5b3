"""What a process reward model is shown, to the token; and how its numbers are read and remembered."""

import json
import math
from pathlib import Path

import pytest

from headgate.backends.base import Context, Piece, Stop
from headgate.backends.dialect import Dialect, RewardForm
from headgate.backends.errors import Refused
from headgate.backends.reward import IN_A_CHAT, Solutions, ends, form_of, reward
from headgate.backends.tokens import Tokens

from .local.conftest import tokenizer

RSD = RewardForm()


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    made = tokenizer()
    made.add_special_tokens(["<extra_0>"])
    file = tmp_path_factory.mktemp("words") / "tokenizer.json"
    made.save(str(file))
    return Tokens(file, 0)


def step(text: str, stop: Stop = "delimiter") -> Piece:
    return Piece(role="assistant", text=text, part="think", stop=stop)


def said(tokens: Tokens, form: RewardForm, *pieces: Piece, question: str = "How many?") -> list[str]:
    """The parts that a model reads, spelled."""
    parts = Solutions(tokens, form).parts(Context.ask(question).append(*pieces))
    return [b"".join(tokens.bytes[token] for token in part).decode() for part in parts]


def test_a_plain_model_reads_the_problem_a_line_feed_and_steps_closed_by_one_separator(tokens: Tokens) -> None:
    assert said(tokens, RSD, step("abcd.\n\n"), step("Mia7\n\n")) == ["How many?\n", "abcd.\n\n", "Mia7\n\n"]
    (separator,) = tokens.encode("\n\n")
    _, first, second = Solutions(tokens, RSD).parts(
        Context.ask("?").append(step("abcd.\n\n"), step("\n\n\n"), step("e"))
    )
    assert first == (*tokens.encode("abcd."), separator) != tuple(tokens.encode("abcd.\n\n"))
    assert second == (*tokens.encode("e"), separator)


def test_a_separator_of_several_tokens_is_written_as_its_last_one(tokens: Tokens) -> None:
    _, only = Solutions(tokens, RewardForm(separator="xyz")).parts(Context.ask("?").append(step("ab")))
    assert only == (*tokens.encode("ab"), tokens.encode("z")[-1])


def test_a_chat_model_reads_its_template_and_a_separator_of_its_own(tokens: Tokens) -> None:
    problem, first, second = said(tokens, IN_A_CHAT, step("one\n\n"), step("two"))
    assert problem.startswith("<|im_start|>system\nPlease reason step by step")
    assert problem.endswith("<|im_start|>user\nHow many?<|im_end|>\n<|im_start|>assistant\n")
    assert (first, second) == ("one<extra_0>", "two<extra_0>")
    assert len(Solutions(tokens, IN_A_CHAT).parts(Context.ask("?").append(step("e")))[1]) == 2


def test_what_users_and_models_wrote_cannot_spell_a_separator(tokens: Tokens) -> None:
    (mark,) = tokens.encode("<extra_0>")
    parts = Solutions(tokens, IN_A_CHAT).parts(Context.ask("a <extra_0>").append(step("b <extra_0> c")))
    assert [part.count(mark) for part in parts] == [0, 1]
    assert parts[1][-1] == mark


def test_rewards_stand_at_the_separators_and_nowhere_else(tokens: Tokens) -> None:
    parts = Solutions(tokens, RSD).parts(Context.ask("Where?").append(step("abcd.\n\n"), step("e\n\nf\n\n")))
    ids = [token for part in parts for token in part]
    (separator,) = tokens.encode("\n\n")
    assert ends(parts) == [place for place, token in enumerate(ids) if token == separator]
    assert len(ends(parts)) == 3


def test_steps_within_a_piece_are_steps_and_empty_ones_are_none(tokens: Tokens) -> None:
    whole = said(tokens, RSD, step("one\n\ntwo\n\n\n\n"), step("\n\n"), step("  "), step("three"))
    assert whole[1:] == ["one\n\n", "two\n\n", "three\n\n"]


def test_the_end_of_thinking_is_shown_only_where_the_model_knows_it(tokens: Tokens) -> None:
    ended = step("", "think_end")
    assert said(tokens, RSD, step("one\n\n"), ended)[1:] == ["one\n\n"]
    knows = RewardForm(think_end="</think>")
    assert said(tokens, knows, step("one\n\n"), ended)[1:] == ["one\n\n", "</think>\n\n"]
    assert said(tokens, knows, step("one\n\ntwo", "think_end"))[1:] == ["one\n\n", "two</think>\n\n"]
    (mark,) = tokens.encode("</think>")
    assert Solutions(tokens, knows).parts(Context.ask("?").append(ended))[1][0] == mark


def test_systems_are_not_shown_and_a_conversation_is_refused(tokens: Tokens) -> None:
    question = Piece(role="user", text="Q", part="think")
    context = Context((Piece(role="system", text="Be kind."), question, step("a")))
    read = Solutions(tokens, RSD)
    assert read.parts(context) == read.parts(Context((question, step("a"))))
    with pytest.raises(Refused, match="reads no conversation: here a user speaks after the first step"):
        read.parts(context.append(question))


# -- which form ----------------------------------------------------------------------------------------------------


def test_the_architecture_names_the_form_and_a_file_may_say_otherwise() -> None:
    mine = RewardForm(separator="<sep>")
    classifier: dict[str, object] = {"architectures": ["Qwen3ForTokenClassification"]}
    assert form_of({"architectures": ["Qwen3ForCausalLM"]}, mine) is None
    assert form_of({}, None) is None
    assert (form_of(classifier, None), form_of(classifier, mine)) == (RSD, mine)
    assert form_of({"architectures": ["Qwen2ForProcessRewardModel"]}, None) == IN_A_CHAT
    assert form_of({"architectures": ["Qwen2ForPrmModel"]}, None, "<bos>") == RewardForm(opening="<bos>")


def test_a_dialect_file_says_how_a_reward_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "dialect.json"
    file.write_text(json.dumps({"step": "\n", "reward": {"problem": "Q: {problem}\n", "think_end": "</think>"}}))
    assert Dialect.load(file).reward == RewardForm(problem="Q: {problem}\n", think_end="</think>")
    file.write_text(json.dumps({"reward": {"seperator": "x"}}))
    with pytest.raises(ValueError, match=r"the section `reward` has no `seperator`; it has opening, problem"):
        Dialect.load(file)


# -- numbers -------------------------------------------------------------------------------------------------------


def test_two_logits_are_a_share_and_one_value_a_logistic_of_it() -> None:
    assert reward([0.0, 0.0]) == reward([0.0]) == 0.5
    assert reward([1.0, 3.0]) == pytest.approx(math.exp(3) / (math.exp(1) + math.exp(3)))
    assert reward([-2.0]) == pytest.approx(1 / (1 + math.exp(2)))
    assert (reward([-9e9]), reward([9e9]), reward([9e9, -9e9])) == (0.0, 1.0, 0.0)


def test_rewards_are_known_as_far_as_everything_before_them_agrees(tokens: Tokens) -> None:
    read = Solutions(tokens, RSD)
    parts: list[tuple[int, ...]] = [(1, 2), (3,), (4,), (5,)]
    read.remember(parts, (0.1, 0.2, 0.3))
    assert read.known(parts) == [0.1, 0.2, 0.3]
    assert read.known([*parts[:2], (9,), (5,)]) == [0.1]
    assert read.known([(1,), *parts[1:]]) == []
    assert read.known([(1, 2, 3), (4,)]) == []
    read.remember([*parts[:2], (9,)], (0.1, 0.9))
    assert (read.known([*parts[:2], (9,), (5,)]), read.known(parts)) == ([0.1, 0.9], [0.1, 0.2, 0.3])
    read.forget()
    assert read.known(parts) == []


def test_what_was_not_asked_for_lately_is_forgotten_first(tokens: Tokens) -> None:
    read = Solutions(tokens, RSD, capacity=4)
    old: list[tuple[int, ...]] = [(1,), (2,)]
    new: list[tuple[int, ...]] = [(3,), (4,)]
    read.remember(old, (0.1,))
    read.remember(new, (0.2,))
    assert read.known(old) == [0.1]
    read.remember([(5,), (6,)], (0.3,))
    assert (read.known(old), read.known(new)) == ([0.1], [])
