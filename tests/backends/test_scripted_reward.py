from headgate.backends.base import Context, Piece, Rewarding
from headgate.backends.scripted import Skill
from headgate.backends.scripted_reward import ScriptedReward, by_skill, by_text


def solved(*pieces: str) -> Context:
    written = (Piece(role="assistant", text=text, part="think", author="draft") for text in pieces)
    return Context.ask("Q").append(*written)


async def test_each_step_that_says_something_has_a_reward_wherever_it_stands() -> None:
    backend = ScriptedReward(critic=by_text({"a": 0.1, "b": 0.2}, otherwise=0.5))
    assert (await backend.rewards(solved("a\n\nb\n\n", "", "c\n\n"))).values == (0.1, 0.2, 0.5)
    assert (await backend.rewards(solved())).values == ()


async def test_a_skill_rewards_the_right_step_in_its_place() -> None:
    backend = ScriptedReward(critic=by_skill(Skill({"Q": (["one", "two"], "3")})))
    assert (await backend.rewards(solved("one\n\n", "one\n\n"))).values == (0.9, 0.1)
    assert (await backend.rewards(solved("one\n\n", "two\n\n", "more"))).values == (0.9, 0.9, 0.1)


async def test_what_was_read_before_is_not_read_again() -> None:
    backend = ScriptedReward()
    first = (await backend.rewards(solved("a\n\n"))).usage
    again = (await backend.rewards(solved("a\n\n", "b\n\n"))).usage
    assert (first.cached_input, first.output, first.calls) == (0, 0, 1)
    assert again.cached_input >= first.input - 3 > 0
    assert isinstance(backend, Rewarding) and backend.capabilities.operations == {"reward"}
