"""Several servers: who takes a call, who rests, and what happens while none is there."""

import asyncio
import time
from typing import Any

import pytest

from headgate.backends.base import Context, Piece, Sampling
from headgate.backends.errors import BackendError, RateLimited, Unreachable
from headgate.backends.openai.backend import OpenAIBackend
from headgate.backends.openai.fleet import prefixes

from .conftest import Serve, chat
from .hostile import Hostile, abort, said, status, stream, usage

FINE = stream(said("4", "stop"), usage(20, 1))
SLOW = stream(said("4"), said("", "stop"), usage(20, 1), pause_s=0.1)


def question(number: int) -> Context:
    return Context.ask(f"What is {number} + 2?", writing="text")


async def ask(backend: OpenAIBackend, context: Context) -> str:
    return (await backend.generate(context, Sampling(max_tokens=5)))[0].text


async def ask_all(backend: OpenAIBackend, contexts: list[Context]) -> list[Any]:
    try:
        return await asyncio.gather(*(ask(backend, context) for context in contexts), return_exceptions=True)
    finally:
        await backend.close()


def shares(*servers: Hostile) -> list[int]:
    return [len(server.asked) for server in servers]


async def test_calls_go_to_the_least_loaded(serve: Serve) -> None:
    servers = [serve(SLOW) for _ in range(3)]
    assert await ask_all(chat(*servers), [question(i) for i in range(30)]) == ["4"] * 30
    assert shares(*servers) == [10, 10, 10]


async def test_a_chain_stays_where_its_beginning_is_known(serve: Serve) -> None:
    servers = [serve(FINE) for _ in range(4)]
    backend = chat(*servers, continuation="prefill")
    for number in range(8):
        before, context = shares(*servers), question(number)
        for step in range(6):
            await ask(backend, context)
            context = context.append(Piece(role="assistant", text=f"step {step}"))
        assert sorted(b - a for a, b in zip(before, shares(*servers), strict=True)) == [0, 0, 0, 6]
    assert sum(share > 0 for share in shares(*servers)) > 1
    await backend.close()


async def test_a_chain_leaves_a_server_that_has_much_more_to_do(serve: Serve) -> None:
    servers = [serve(SLOW), serve(SLOW)]
    assert await ask_all(chat(*servers), [question(1)] * 40) == ["4"] * 40
    assert min(shares(*servers)) >= 10


async def test_others_take_over_from_a_server_that_is_gone(serve: Serve) -> None:
    gone, here = serve(FINE), serve(FINE)
    backend = chat(gone, here)
    gone.silence()
    first = await asyncio.gather(*(ask(backend, question(i)) for i in range(10)), return_exceptions=True)
    assert {type(result) for result in first} <= {str, Unreachable}
    assert await ask_all(backend, [question(i) for i in range(10)]) == ["4"] * 10
    assert shares(gone) == [0]


async def test_others_take_over_at_once_from_a_server_that_asks_for_patience(serve: Serve) -> None:
    busy, here = serve(status(429, retry_after="30")), serve(FINE)
    backend = chat(busy, here)
    turned_away = [
        error
        for error in await asyncio.gather(*(ask(backend, question(i)) for i in range(6)), return_exceptions=True)
        if isinstance(error, RateLimited)
    ]
    assert turned_away
    assert turned_away[0].retry_after_s == 0
    assert await ask_all(backend, [question(i) for i in range(6)]) == ["4"] * 6


async def test_a_server_alone_is_given_its_wait(serve: Serve) -> None:
    backend = chat(serve(status(429, retry_after="30")))
    with pytest.raises(RateLimited) as caught:
        await ask(backend, question(1))
    assert caught.value.retry_after_s == 30
    await backend.close()


async def test_the_wait_that_one_call_was_given_holds_for_all(serve: Serve) -> None:
    server = serve(status(429, retry_after="0.5"), FINE)
    backend = chat(server)
    with pytest.raises(RateLimited):
        await ask(backend, question(1))
    began = time.monotonic()
    assert await ask_all(backend, [question(i) for i in range(10)]) == ["4"] * 10
    assert 0.3 < time.monotonic() - began < 20


async def test_a_server_that_failed_rests_and_is_used_again(serve: Serve) -> None:
    sick, well = serve(status(500), FINE), serve(FINE)
    backend = chat(sick, well, rest_s=4)
    for number in range(10):
        try:
            await ask(backend, question(number))
        except BackendError:
            break
    before = len(sick.asked)
    for number in range(10, 20):
        await ask(backend, question(number))
    assert len(sick.asked) == before == 1
    await asyncio.sleep(4.1)
    for number in range(20, 40):
        await ask(backend, question(number))
    assert len(sick.asked) > before
    await backend.close()


async def test_calls_wait_for_the_only_server_to_come_back(serve: Serve) -> None:
    server = serve(FINE)
    backend = chat(server, patience_s=10)
    server.silence()
    assert isinstance((await asyncio.gather(ask(backend, question(0)), return_exceptions=True))[0], Unreachable)
    waiting = asyncio.create_task(ask_all(backend, [question(i) for i in range(20)]))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    server.wake()
    assert await waiting == ["4"] * 20


async def test_a_server_that_is_gone_stays_gone_whatever_its_last_words_were(serve: Serve) -> None:
    last_words = stream(said("4"), {"error": {"message": "dying"}}, pause_s=0.3)
    server = serve(stream(said("4"), done=False, after=abort), last_words, models=status(500))
    backend = chat(server, patience_s=0.2)
    calls = [asyncio.create_task(ask(backend, question(number))) for number in range(2)]
    await asyncio.gather(*calls, return_exceptions=True)
    with pytest.raises(Unreachable, match="for 0"):
        await ask(backend, question(3))
    await backend.close()


async def test_patience_ends_and_is_not_begun_anew_by_a_retry(serve: Serve) -> None:
    server = serve(FINE)
    backend = chat(server, patience_s=0.4)
    server.silence()
    with pytest.raises(Unreachable) as first:
        await ask(backend, question(1))
    assert first.value.retryable
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"for 0\.4 s; start it") as caught:
        await ask(backend, question(1))
    assert not caught.value.retryable
    assert 0.3 < time.monotonic() - began < 20
    await backend.close()


def test_two_contexts_share_the_numbers_of_what_they_share() -> None:
    first, second = (question(1).append(Piece(role="assistant", text=text)) for text in ("a", "b"))
    one, other = prefixes(first), prefixes(second)
    assert one[0] == other[0]
    assert one[1] != other[1]
    assert prefixes(Context()) == [0]


def test_a_backend_is_used_from_one_event_loop_after_another(serve: Serve) -> None:
    backend = chat(serve(FINE))
    for _ in range(3):
        assert asyncio.run(ask_all(backend, [question(1)])) == ["4"]
