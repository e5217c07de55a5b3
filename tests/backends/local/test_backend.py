import asyncio
import gc
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from headgate.backends.base import Completion, Context, Piece, Sampling, Token
from headgate.backends.errors import Cancelled, ContextTooLong, EngineFailed
from headgate.backends.local.backend import LocalBackend
from headgate.budget.cost import Cost

GREEDY = Sampling(max_tokens=24)
WARM = Sampling(max_tokens=24, temperature=0.9, top_p=0.9, top_k=40, seed=5)
ASKED = Context.ask("How many are 3 and 4?")


def write(backend: LocalBackend, context: Context, sampling: Sampling) -> Completion:
    return asyncio.run(backend.generate(context, sampling))[0]


def said(context: Context, done: Completion) -> Context:
    return context.append(done.piece("think", "draft"))


@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "sampled"])
def test_steps_make_the_same_text_as_one_call(backend: LocalBackend, sampling: Sampling) -> None:
    whole = write(backend, ASKED, sampling)
    context, ids = ASKED, list[int]()
    for size in (5, 1, 7, 11):
        done = write(backend, context, Sampling(**_fields(sampling) | {"max_tokens": size}))
        context, ids = said(context, done), [*ids, *done.token_ids]
    assert tuple(ids) == whole.token_ids


def test_the_same_seed_gives_the_same_text_and_another_seed_another(backend: LocalBackend) -> None:
    again = [write(backend, ASKED, Sampling(**_fields(WARM) | {"seed": seed})).token_ids for seed in (5, 5, 6)]
    assert again[0] == again[1] != again[2]


def test_judging_changes_nothing_that_follows(backend: LocalBackend, random_folder: Path) -> None:
    other = LocalBackend(str(random_folder))
    step = write(backend, ASKED, GREEDY)
    unjudged = write(other, said(ASKED, write(other, ASKED, GREEDY)), WARM)
    judged = asyncio.run(backend.peek(backend.judge(said(ASKED, step)), list("0123456789")))
    assert write(backend, said(ASKED, step), WARM).token_ids == unjudged.token_ids
    assert len(judged.logprobs) == 10


def test_continuing_costs_only_the_token_that_was_not_read_yet(backend: LocalBackend) -> None:
    step = write(backend, ASKED, GREEDY)
    prompt = backend.count(ASKED)
    assert _bill(step.usage) == (prompt, 0, 24, 1)
    assert _bill(write(backend, said(ASKED, step), GREEDY).usage) == (1, prompt + 23, 24, 1)


def test_a_judgement_costs_its_own_words_and_taking_it_back_costs_nothing(backend: LocalBackend) -> None:
    step = write(backend, ASKED, GREEDY)
    context = said(ASKED, step)
    before, after = backend.count(context), backend.count(backend.judge(context))
    judged = asyncio.run(backend.peek(backend.judge(context)))
    assert _bill(judged.usage) == (after - before + 1, before - 1, 1, 1)
    rejected = write(backend, ASKED, GREEDY)
    assert _bill(rejected.usage) == (0, backend.count(ASKED), 24, 1)
    accepted = write(backend, context, GREEDY)
    assert _bill(accepted.usage) == (1, before - 1, 24, 1)


def test_scoring_reads_a_step_once_for_the_judgement_that_follows(backend: LocalBackend) -> None:
    asyncio.run(backend.peek(ASKED))
    step = Piece(role="assistant", text="abcd efcd", part="think")
    prompt, context = backend.count(ASKED), ASKED.append(step)
    scored = asyncio.run(backend.score(ASKED, step))
    size = backend.count(context) - prompt
    assert len(scored.logprobs) == size
    assert _bill(scored.usage) == (size + 1, prompt - 1, 0, 1)
    judged = asyncio.run(backend.peek(backend.judge(context)))
    assert judged.usage.cached_input == prompt + size
    assert judged.usage.input == backend.count(backend.judge(context)) - prompt - size


def test_scores_are_the_log_probabilities_of_writing(backend: LocalBackend) -> None:
    step = write(backend, ASKED, WARM)
    scored = asyncio.run(backend.score(ASKED, step.piece("think", "")))
    assert scored.logprobs == pytest.approx(step.logprobs, abs=1e-4)


def test_the_score_of_a_closed_thinking_ends_with_its_tag(backend: LocalBackend) -> None:
    tag = len(backend._tokens.encode(backend.dialect.think_end))
    still = asyncio.run(backend.score(ASKED, Piece(role="assistant", text="1", part="think")))
    closed = asyncio.run(backend.score(ASKED, Piece(role="assistant", text="1", part="think", stop="think_end")))
    assert len(closed.logprobs) == len(still.logprobs) + tag > len(still.logprobs)
    assert closed.logprobs[: len(still.logprobs)] == pytest.approx(still.logprobs, abs=1e-4)


def test_a_peek_sees_the_entropy_of_the_first_token(backend: LocalBackend) -> None:
    done = write(backend, ASKED, Sampling(max_tokens=1, entropies=True))
    peeked = asyncio.run(backend.peek(ASKED, ["x"]))
    assert done.entropies is not None
    assert peeked.entropy == pytest.approx(done.entropies[0], abs=1e-4)


def test_samples_share_their_prompt_and_the_first_pays_for_it(backend: LocalBackend) -> None:
    done = asyncio.run(backend.generate(ASKED, WARM, n=3))
    prompt = backend.count(ASKED)
    assert [_bill(one.usage) for one in done] == [(prompt, 0, 24, 1), (0, prompt, 24, 0), (0, prompt, 24, 0)]
    assert len({one.token_ids for one in done}) == 3


def test_callers_who_ask_alike_at_once_pay_for_one_prompt(backend: LocalBackend) -> None:
    async def ask() -> list[list[Completion]]:
        return await asyncio.gather(*(backend.generate(ASKED, GREEDY) for _ in range(4)))

    paid = sum(one[0].usage.input for one in asyncio.run(ask()))
    assert paid == backend.count(ASKED)


def test_tokens_stream_in_order_on_the_callers_thread(backend: LocalBackend) -> None:
    seen: list[tuple[Token, int]] = []
    step = asyncio.run(
        backend.generate(ASKED, WARM, on_token=lambda token: seen.append((token, threading.get_ident())))
    )[0]
    assert tuple(token.id for token, _ in seen) == step.token_ids
    assert tuple(token.logprob for token, _ in seen) == step.logprobs
    assert {thread for _, thread in seen} == {threading.get_ident()}


def test_a_follower_stops_the_text_after_its_token(backend: LocalBackend) -> None:
    seen: list[Token] = []
    step = asyncio.run(backend.generate(ASKED, GREEDY, on_token=lambda t: seen.append(t) or len(seen) == 3))[0]
    assert (step.stop, len(step.token_ids), step.usage.output) == ("callback", 3, 3)


def test_a_followers_own_failure_reaches_its_call_and_nobody_else(backend: LocalBackend) -> None:
    def fail(token: Token) -> None:
        raise KeyError("mine")

    async def both() -> Completion:
        fine = asyncio.create_task(backend.generate(ASKED, GREEDY))
        with pytest.raises(KeyError, match="mine"):
            await backend.generate(ASKED, GREEDY, n=2, on_token=fail)
        return (await fine)[0]

    assert asyncio.run(both()).stop == "length"


def test_a_cancelled_call_ends_within_a_token_and_knows_its_bill(backend: LocalBackend) -> None:
    async def run() -> Cost:
        task = asyncio.create_task(backend.generate(ASKED, Sampling(max_tokens=200), on_token=follow))
        seen: list[Token] = []

        def follow_(token: Token) -> None:
            seen.append(token)
            if len(seen) == 4:
                task.cancel()

        followers.append(follow_)
        try:
            await task
        except Cancelled as stopped:
            return stopped.usage
        raise AssertionError("it was not cancelled")

    followers: list[object] = []

    def follow(token: Token) -> None:
        followers[0](token)  # type: ignore[operator]

    usage = asyncio.run(run())
    assert usage.input == backend.count(ASKED)
    assert 4 <= usage.output <= 5


def test_a_cancelled_call_leaves_its_neighbours_alone(backend: LocalBackend) -> None:
    alone = write(backend, ASKED, WARM)

    async def run() -> Completion:
        stay = asyncio.create_task(backend.generate(ASKED, WARM))
        leave = asyncio.create_task(backend.generate(Context.ask("other"), Sampling(max_tokens=200)))
        await asyncio.sleep(0.005)
        leave.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leave
        return (await stay)[0]

    assert asyncio.run(run()).token_ids == alone.token_ids


def test_closing_cancels_what_is_in_flight_and_refuses_what_comes(backend: LocalBackend) -> None:
    async def run() -> None:
        task = asyncio.create_task(backend.generate(ASKED, Sampling(max_tokens=200), on_token=lambda _: None))
        await asyncio.sleep(0.02)
        await backend.close()
        with pytest.raises(Cancelled):
            await task
        with pytest.raises(EngineFailed, match="closed"):
            await backend.peek(ASKED)

    asyncio.run(run())


def test_a_prompt_that_does_not_fit_is_refused_with_figures(backend: LocalBackend) -> None:
    long = Context.ask("x" * 300)
    with pytest.raises(ContextTooLong, match=rf"{backend.count(long)} tokens.* holds 256; shorten"):
        asyncio.run(backend.peek(long))
    near = Context.ask("x" * 200)
    with pytest.raises(ContextTooLong, match="60 to score"):
        asyncio.run(backend.score(near, Piece(role="assistant", text="x" * 60)))


def test_a_text_ends_where_the_context_ends(backend: LocalBackend) -> None:
    near = Context.ask("x" * 200)
    done = write(backend, near, Sampling(max_tokens=500))
    assert (done.stop, len(done.token_ids)) == ("length", 256 - backend.count(near))


def test_a_forgotten_backend_lets_its_thread_go(random_folder: Path) -> None:
    async def ask(backend: LocalBackend) -> None:
        await asyncio.gather(backend.peek(ASKED), backend.peek(ASKED))  # one alone would need no thread

    made = LocalBackend(str(random_folder))
    asyncio.run(ask(made))
    thread = made._engine._thread
    assert thread is not None
    del made
    gc.collect()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_the_callers_torch_threads_stay_as_they_were(random_folder: Path) -> None:
    import torch

    before = torch.get_num_threads()
    made = LocalBackend(str(random_folder))
    asyncio.run(made.peek(ASKED))
    assert torch.get_num_threads() == before
    asyncio.run(made.close())


def test_busy_seconds_are_shared_and_never_exceed_the_wall(backend: LocalBackend) -> None:
    async def run() -> list[list[Completion]]:
        return await asyncio.gather(*(backend.generate(Context.ask(str(i)), GREEDY) for i in range(8)))

    begun = time.perf_counter()
    spent = sum(one[0].usage.seconds for one in asyncio.run(run()))
    assert 0 < spent <= time.perf_counter() - begun


def _bill(usage: Cost) -> tuple[int, int, int, int]:
    return usage.input, usage.cached_input, usage.output, usage.calls


def _fields(sampling: Sampling) -> dict[str, object]:
    names = ("temperature", "top_p", "top_k", "max_tokens", "seed")
    return {name: getattr(sampling, name) for name in names}


@pytest.mark.parametrize("_", range(4))
def test_an_interpreter_that_forgets_a_backend_ends_well(random_folder: Path, _: int) -> None:
    code = f"""
import asyncio
from headgate.backends.base import Context, Sampling
from headgate.backends.local.backend import LocalBackend
asyncio.run(LocalBackend({str(random_folder)!r}).generate(Context.ask("?"), Sampling(max_tokens=3)))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
