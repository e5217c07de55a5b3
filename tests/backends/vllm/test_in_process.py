import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from headgate.backends.base import Completion, Context, EntropyStop, Piece, Sampling, Token
from headgate.backends.errors import Cancelled, ContextTooLong, EngineFailed, Unread
from headgate.backends.local.backend import LocalBackend
from headgate.backends.vllm.backend import VllmBackend
from headgate.backends.vllm.jobs import Asks, Peek
from headgate.backends.vllm.stepper import STEPPER, Engine
from headgate.budget.cost import Cost

from .agreement import CLOSE, agree, write

Ask = Callable[[int], Context]
GREEDY = Sampling(max_tokens=24)
WARM = Sampling(max_tokens=24, temperature=0.9, top_p=0.9, top_k=40, seed=5)
WILD = Sampling(max_tokens=24, temperature=8.0, seed=5)
BLOCK = 32


def engine(backend: VllmBackend) -> Engine:
    assert isinstance(backend._engine, Engine)
    return backend._engine


@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "sampled"])
def test_it_writes_what_the_local_engine_writes(
    draft: VllmBackend, local: LocalBackend, ask: Ask, sampling: Sampling
) -> None:
    asked = replace(sampling, entropies=True)
    for number in range(10):
        mine, theirs = write(draft, ask(number), asked), write(local, ask(number), asked)
        assert agree(mine, theirs)


@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "sampled"])
def test_steps_make_the_same_text_as_one_call(target: VllmBackend, ask: Ask, sampling: Sampling) -> None:
    whole = write(target, ask(1), sampling)
    context, ids = ask(1), list[int]()
    for size in (5, 1, 7, 11):
        done = write(target, context, replace(sampling, max_tokens=size))
        context, ids = context.append(done.piece("think", "target")), [*ids, *done.token_ids]
    assert tuple(ids) == whole.token_ids


def test_a_seed_says_the_same_alone_and_in_a_batch(draft: VllmBackend, ask: Ask) -> None:

    async def together() -> list[list[Completion]]:
        return await asyncio.gather(*(draft.generate(ask(i), replace(WILD, seed=i)) for i in range(24)))

    batch = [done[0].token_ids for done in asyncio.run(together())]
    assert batch == [write(draft, ask(i), replace(WILD, seed=i)).token_ids for i in range(24)]


def test_it_ends_before_the_first_uncertain_token(draft: VllmBackend, local: LocalBackend, ask: Ask) -> None:
    for number in range(8):
        freely = write(draft, ask(number), replace(WILD, seed=number, entropies=True))
        assert freely.entropies
        highest = max(freely.entropies)
        asked = replace(WILD, seed=number, entropies=True, entropy_stop=EntropyStop(above=highest - 1e-3))
        mine, theirs = write(draft, ask(number), asked), write(local, ask(number), asked)
        assert mine.stop == theirs.stop == "entropy"
        assert mine.token_ids == theirs.token_ids == freely.token_ids[: freely.entropies.index(highest)]
        assert mine.usage.output == len(mine.token_ids)


def test_a_delimiter_and_the_end_of_thinking_stop_where_the_local_engine_stops(
    draft: VllmBackend, local: LocalBackend, ask: Ask
) -> None:
    long = Sampling(max_tokens=200)
    context, stops = ask(3), list[str]()
    while not stops or (stops[-1] == "delimiter" and len(stops) < 30):
        asked = replace(long, stop=(local.dialect.step,))
        mine, theirs = write(draft, context, asked), write(local, context, asked)
        assert (mine.token_ids, mine.stop, mine.usage.output) == (theirs.token_ids, theirs.stop, theirs.usage.output)
        stops.append(mine.stop)
        context = context.append(mine.piece("think", ""))
    assert {"delimiter", "think_end"} <= {*stops}
    answer = write(draft, context.then("answer"), long)
    assert answer == replace(write(local, context.then("answer"), long), usage=answer.usage)
    assert answer.stop == "eos"


def test_peeks_and_scores_are_the_local_engines(draft: VllmBackend, local: LocalBackend, ask: Ask) -> None:
    texts = [str(digit) for digit in range(10)] + ["\n", "Tom"]
    step = Piece(role="assistant", text="Tom has 11 apples.\n\n", part="think", stop="think_end")
    mine, theirs = asyncio.run(draft.peek(ask(1), texts)), asyncio.run(local.peek(ask(1), texts))
    assert mine.entropy == pytest.approx(theirs.entropy, abs=CLOSE)
    assert dict(mine.logprobs) == pytest.approx(dict(theirs.logprobs), abs=CLOSE)
    said, meant = asyncio.run(draft.score(ask(1), step)), asyncio.run(local.score(ask(1), step))
    assert said.logprobs == pytest.approx(meant.logprobs, abs=CLOSE)


def test_all_texts_of_a_vocabulary_can_be_asked_for_at_once(draft: VllmBackend, ask: Ask) -> None:
    texts = sorted({spelling.decode("utf-8", "ignore") for spelling in draft._tokens.bytes})
    seen = asyncio.run(draft.peek(ask(1), texts))
    assert len(seen.logprobs) == len(texts) > 128


def test_a_step_that_the_cache_already_holds_is_scored_right(draft: VllmBackend, local: LocalBackend) -> None:
    context = Context.ask("Tom has 17 apples and asks how many he had before. " * 4)
    step = Piece(role="assistant", text="Tom17.\n\nMia:Tom17+5;Mia22.\n\n" * 6, part="think")
    meant = asyncio.run(local.score(context, step)).logprobs
    fresh = asyncio.run(draft.score(context, step))
    assert fresh.logprobs == pytest.approx(meant, abs=CLOSE)
    read = asyncio.run(draft.peek(context.append(step)))  # now the step's own blocks are cached
    assert read.usage.cached_input > draft.count(context)
    again = asyncio.run(draft.score(context, step))
    assert again.logprobs == pytest.approx(meant, abs=CLOSE)
    assert again.usage.input == draft.count(context.append(step))
    draft._held._known.clear()  # nobody knew that it was cached
    with pytest.raises(Unread) as surprised:  # one reading a call, so that no cap is passed
        asyncio.run(draft.score(context, step))
    assert surprised.value.usage is not None
    assert (surprised.value.usage.calls, surprised.value.usage.cached_input > 0) == (1, True)
    afresh = asyncio.run(draft.score(context, step))
    assert afresh.logprobs == pytest.approx(meant, abs=CLOSE)
    assert (afresh.usage.calls, afresh.usage.cached_input) == (1, 0)


def test_prompts_are_billed_once_and_what_was_cached_is_told(draft: VllmBackend) -> None:
    context = Context.ask("Ann has what is left when Leo groups by 7, says a sentence that is long enough. " * 3)
    prompt = draft.count(context)
    first = write(draft, context, GREEDY)
    assert _bill(first.usage) == (prompt, 0, len(first.token_ids), 1)
    more = context.append(first.piece("think", ""))
    second = write(draft, more, GREEDY).usage
    whole = draft.count(more)
    cached = (whole - 1) // BLOCK * BLOCK
    assert (second.input, second.cached_input, second.calls) == (whole - cached, cached, 1)
    judged = asyncio.run(draft.peek(draft.judge(more)))
    assert judged.usage.cached_input == cached
    assert judged.usage.input + judged.usage.cached_input == draft.count(draft.judge(more))


def test_samples_differ_and_only_the_first_is_a_call(draft: VllmBackend, ask: Ask) -> None:
    done = asyncio.run(draft.generate(ask(2), WILD, n=4))
    assert [one.usage.calls for one in done] == [1, 0, 0, 0]
    assert len({one.token_ids for one in done}) == 4


def test_tokens_stream_in_order_and_a_follower_may_stop_them(draft: VllmBackend, ask: Ask) -> None:
    seen = list[Token]()
    done = asyncio.run(draft.generate(ask(2), WARM, on_token=seen.append))[0]
    assert tuple(token.id for token in seen) == done.token_ids
    assert tuple(token.logprob for token in seen) == done.logprobs
    few = list[Token]()
    done = asyncio.run(draft.generate(ask(2), GREEDY, on_token=lambda t: few.append(t) or len(few) == 3))[0]
    assert (done.stop, len(done.token_ids), done.usage.output) == ("callback", 3, 3)


def test_a_followers_failure_reaches_its_call_and_nobody_else(draft: VllmBackend, ask: Ask) -> None:
    def fail(token: Token) -> None:
        raise KeyError("mine")

    async def both() -> Completion:
        fine = asyncio.create_task(draft.generate(ask(1), GREEDY))
        with pytest.raises(KeyError, match="mine"):
            await draft.generate(ask(2), GREEDY, n=2, on_token=fail)
        return (await fine)[0]

    assert asyncio.run(both()).token_ids == write(draft, ask(1), GREEDY).token_ids


def test_a_cancelled_call_ends_within_a_token_and_knows_its_bill(draft: VllmBackend, ask: Ask) -> None:
    async def run() -> Cost:
        seen = list[Token]()

        def follow(token: Token) -> None:
            seen.append(token)
            if len(seen) == 4:
                task.cancel()

        asked = Sampling(max_tokens=200, temperature=8.0, seed=1)
        task = asyncio.create_task(draft.generate(ask(1), asked, on_token=follow))
        with pytest.raises(Cancelled) as stopped:
            await task
        return stopped.value.usage

    usage = asyncio.run(run())
    assert usage.input + usage.cached_input == draft.count(ask(1))
    assert 4 <= usage.output <= 5


def test_a_prompt_that_does_not_fit_is_refused_with_figures(draft: VllmBackend) -> None:
    long = Context.ask("x" * 2100)
    with pytest.raises(ContextTooLong, match=r"holds 2048; shorten"):
        asyncio.run(draft.peek(long))
    near = Context.ask("x" * 2000)
    done = write(draft, near, Sampling(max_tokens=500, temperature=1.0))
    assert len(done.token_ids) <= 2048 - draft.count(near)


def test_a_thousand_cancellations_leave_nothing_behind(draft: VllmBackend, ask: Ask) -> None:
    core = engine(draft).core
    pool = core.engine_core.engine_core.scheduler.kv_cache_manager.block_pool
    free = pool.get_num_free_blocks()
    rng = random.Random(3)
    spent = list[Cost]()

    async def one(number: int) -> None:
        asked = Sampling(max_tokens=200, temperature=8.0, seed=number)
        task = asyncio.create_task(draft.generate(ask(number % 90), asked, n=1 + number % 2))
        await asyncio.sleep(rng.random() * 0.2)
        task.cancel()
        try:
            spent.extend(one.usage for one in await task)
        except Cancelled as stopped:
            spent.append(stopped.usage)

    async def storm() -> None:
        waiting = set[asyncio.Task[None]]()
        for number in range(1000):
            if len(waiting) >= 64:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            waiting.add(asyncio.create_task(one(number)))
        await asyncio.wait(waiting)

    asyncio.run(storm())
    assert len(spent) >= 1000 and sum(usage.output for usage in spent) > 0
    assert not engine(draft).busy and not core.has_unfinished_requests()
    assert not core.engine_core.engine_core.scheduler.requests
    assert pool.get_num_free_blocks() == free
    assert write(draft, ask(1), GREEDY).stop in ("length", "think_end")


class Poison(Peek):
    """A request that breaks the pass that it takes part in."""

    def asks(self, *, ours: bool, apart: bool) -> Asks:
        return super().asks(ours=ours, apart=apart) | {"extra_args": {"headgate": {"nothing": "that is expected"}}}


def test_a_dead_engine_fails_its_calls_is_rebuilt_and_leaves_its_neighbour_alone(
    draft: VllmBackend, target: VllmBackend, ask: Ask
) -> None:
    meant, other = write(draft, ask(1), GREEDY), write(target, ask(1), Sampling(max_tokens=60))
    before = engine(draft).core

    async def run() -> Completion:
        begun = asyncio.Event()
        hot = Sampling(max_tokens=400, temperature=8.0)
        living = asyncio.create_task(draft.generate(ask(2), hot, on_token=lambda _: begun.set()))
        beside = asyncio.create_task(target.generate(ask(1), Sampling(max_tokens=60)))
        await begun.wait()
        engine(draft).submit(Poison([5, 6, 7], {}))
        with pytest.raises(EngineFailed) as died:
            await living
        assert died.value.retryable
        assert (await draft.generate(ask(1), GREEDY))[0].token_ids == meant.token_ids
        return (await beside)[0]

    assert asyncio.run(run()).token_ids == other.token_ids
    assert engine(draft).core is not before


def test_an_engine_can_close_while_another_lives_and_cancels_what_was_in_flight(draft: VllmBackend, ask: Ask) -> None:
    from .conftest import SMALL

    async def run() -> None:
        third = VllmBackend("embedded/draft", settings=SMALL)
        task = asyncio.create_task(third.generate(ask(1), Sampling(max_tokens=900, temperature=8.0)))
        await asyncio.sleep(0.05)
        await third.close()
        with pytest.raises(Cancelled):
            await task
        with pytest.raises(EngineFailed, match="closed"):
            await third.peek(ask(1))

    asyncio.run(run())
    assert engine(draft) in STEPPER.engines
    assert write(draft, ask(1), GREEDY).token_ids


def test_the_process_keeps_its_threads_environment_and_random_numbers(draft: VllmBackend) -> None:
    import os

    from .conftest import SMALL

    random.seed(4)
    torch.manual_seed(4)
    meant = (random.random(), float(torch.rand(1)))
    environment, setter = dict(os.environ), torch.set_num_threads
    random.seed(4)
    torch.manual_seed(4)
    other = VllmBackend("embedded/draft", settings=SMALL)
    assert (random.random(), float(torch.rand(1))) == meant
    assert (dict(os.environ), torch.set_num_threads) == (environment, setter)
    asyncio.run(other.close())


def test_busy_seconds_are_shared_and_never_exceed_the_wall(draft: VllmBackend, ask: Ask) -> None:
    async def run() -> list[list[Completion]]:
        return await asyncio.gather(*(draft.generate(ask(i), GREEDY) for i in range(8)))

    begun = time.perf_counter()
    spent = sum(one[0].usage.seconds for one in asyncio.run(run()))
    assert 0 < spent <= time.perf_counter() - begun


def _bill(usage: Cost) -> tuple[int, int, int, int]:
    return usage.input, usage.cached_input, usage.output, usage.calls
