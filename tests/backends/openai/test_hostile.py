"""Whatever a server does, a call ends in time, as the right error or a whole answer, and nothing stays held."""

import asyncio
import json
import math
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from headgate.backends.base import Completion, Context, Sampling
from headgate.backends.errors import (
    BackendError,
    ContextTooLong,
    EngineFailed,
    RateLimited,
    Refused,
    TimedOut,
    Unreachable,
)
from headgate.backends.model import Model
from headgate.backends.openai.backend import OpenAIBackend
from headgate.backends.openai.errors import Whose, retry_after
from headgate.budget.cost import Cost, Limits
from headgate.budget.events import Event, Trace
from headgate.budget.ledger import Ledger

from .conftest import Serve, chat
from .hostile import Reply, abort, drip, event, flood, forever, head, plain, raw, said, status, stream, usage

ASK = Context.ask("What is 2 + 2?", writing="text")
MOST = 50
FINE = stream(said("It is "), said("4.", "stop"), usage(20, 5))


class Recorder:
    streaming = True

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event) -> None:
        self.events.append(event)

    async def flush(self) -> None: ...


def metered(backend: OpenAIBackend, attempts: int = 1) -> tuple[Model, Recorder]:
    seen = Recorder()
    trace = Trace(seen)
    ledger = Ledger(Limits(tokens=100_000), trace=trace)
    return Model(name="m", backend=backend, ledger=ledger, trace=trace, attempts=attempts, backoff_s=0.01), seen


async def written(model: Model, **wishes: Any) -> Completion:
    sampling = Sampling(max_tokens=MOST, temperature=0.5, **wishes)
    try:
        return await asyncio.wait_for(model.generate(ASK, sampling, at="step"), 60)
    finally:
        await model.backend.close()
        assert model.ledger.held["tokens"] == 0


CHARGED: list[tuple[str, Reply, type[BackendError]]] = [
    ("cut in the middle", stream(said("It "), done=False, after=abort), EngineFailed),
    ("cut before a word", raw(after=abort), EngineFailed),
    ("ended without a reason", stream(said("It ")), EngineFailed),
    ("ended without an end", stream(said("It "), done=False), EngineFailed),
    ("no JSON", stream(said("It "), b"{bad"), EngineFailed),
    ("no object", stream(said("It "), [1, 2]), EngineFailed),
    ("no text", stream({"choices": [{"delta": {"content": 7}}]}), EngineFailed),
    ("choices that are none", stream({"choices": 7}), EngineFailed),
    ("no choices", stream({"choices": []}, usage(20, 0)), EngineFailed),
    ("a choice nobody asked for", stream(said("x", "stop", index=3)), EngineFailed),
    ("endless nesting", stream(b'{"choices":' + b"[" * 100_000), EngineFailed),
    ("its own error", stream(said("It "), {"error": {"message": "out of memory"}}), EngineFailed),
    ("another kind", raw(head(200, "text/html") + b"<html>hello</html>"), EngineFailed),
    ("no kind", raw(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello"), EngineFailed),
    ("no HTTP", raw(b"hello\r\n\r\n"), EngineFailed),
    ("a broken encoding", raw(head(200, "text/event-stream", content_encoding="gzip") + b"no gzip"), EngineFailed),
    ("a line without end", stream(said("It "), done=False, after=flood), EngineFailed),
    ("500", status(500, "boom"), EngineFailed),
    ("502", raw(head(502, "text/html") + b"<h1>Bad gateway</h1>"), EngineFailed),
    ("408", status(408), TimedOut),
    ("504", status(504), TimedOut),
    ("no answer", forever, TimedOut),
    ("a head and no more", raw(head(200, "text/event-stream"), after=forever), TimedOut),
    ("silence in the middle", stream(said("It "), done=False, after=forever), TimedOut),
    ("a line kept warm", stream(said("It "), done=False, after=drip), TimedOut),
    ("a filter", stream(said("It "), said("", "content_filter"), usage(20, 1)), BackendError),
]
FREE: list[tuple[str, Reply, type[BackendError]]] = [
    ("429", status(429, retry_after="7"), RateLimited),
    ("503 for a while", status(503, retry_after="7"), RateLimited),
    ("400 too long", status(400, "maximum context length is 10 tokens"), ContextTooLong),
    ("400 too long by code", status(400, "no", "context_length_exceeded"), ContextTooLong),
    ("400", status(400, "no such field"), Refused),
    ("401", status(401, "who are you"), Refused),
    ("403", status(403), Refused),
    ("404", status(404), Refused),
    ("422", status(422), Refused),
    ("a quota that is spent", status(429, "pay", "insufficient_quota"), Refused),
    ("400 to try again", status(400, "busy", x_should_retry="true"), EngineFailed),
]


@pytest.mark.parametrize(("reply", "error"), [case[1:] for case in CHARGED], ids=[case[0] for case in CHARGED])
async def test_an_attempt_of_unknown_outcome_is_paid_in_full(
    serve: Serve, reply: Reply, error: type[BackendError]
) -> None:
    times = {"silence_s": 1.0, "total_s": 3.0} if error is TimedOut else {}
    model, _ = metered(backend := chat(serve(reply), **times))
    began = time.monotonic()
    with pytest.raises(BackendError) as caught:
        await written(model)
    assert type(caught.value) is error or (isinstance(caught.value, error) and error is EngineFailed)
    assert time.monotonic() - began < 25
    assert model.ledger.spent.tokens == backend.count(ASK) + MOST


@pytest.mark.parametrize(("reply", "error"), [case[1:] for case in FREE], ids=[case[0] for case in FREE])
async def test_an_attempt_that_was_turned_away_costs_nothing(
    serve: Serve, reply: Reply, error: type[BackendError]
) -> None:
    model, _ = metered(chat(serve(reply)))
    with pytest.raises(error):
        await written(model)
    assert model.ledger.spent.tokens == 0


async def test_an_address_where_nobody_listens_costs_nothing(serve: Serve) -> None:
    server = serve(FINE)
    backend = chat(server)
    server.silence()
    model, _ = metered(backend)
    with pytest.raises(Unreachable, match=r"nothing answers at http://127\.0\.0\.1"):
        await written(model)
    assert model.ledger.spent.tokens == 0


async def test_a_failure_is_tried_again_and_every_attempt_is_in_the_bill(serve: Serve) -> None:
    server = serve(status(500), stream(said("It "), b"{bad"), status(429, retry_after="0.05"), FINE)
    model, seen = metered(backend := chat(server), attempts=4)
    done = await written(model)
    assert (done.text, done.stop) == ("It is 4.", "eos")
    settled = [event.cost.tokens for event in seen.events if event.kind == "settle" and event.cost]
    assert settled == [backend.count(ASK) + MOST] * 2 + [0, 25]
    assert len(server.asked) == 4


async def test_a_server_that_says_not_to_is_not_asked_again(serve: Serve) -> None:
    server = serve(status(500, x_should_retry="false"), FINE)
    model, _ = metered(chat(server), attempts=4)
    with pytest.raises(EngineFailed):
        await written(model)
    assert len(server.asked) == 1


@pytest.mark.parametrize("headers", [{"retry_after": "7"}, {"retry_after_ms": "7000"}, {"retry_after": "date"}])
async def test_the_wait_that_a_server_asks_for_is_handed_on(serve: Serve, headers: dict[str, str]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=7.5), usegmt=True)
    server = serve(status(429, **{name: value.replace("date", date) for name, value in headers.items()}))
    with pytest.raises(RateLimited) as caught:
        await written(metered(chat(server))[0])
    assert caught.value.retry_after_s == pytest.approx(7, abs=1.5)


@pytest.mark.parametrize(
    ("written_as", "seconds"),
    [("1.5", 1.5), ("-3", None), ("nan", None), ("inf", None), ("soon", None), ("1e9", 600.0), ("", None),
     ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("Fri, 31 Dec 9999 23:59:59 GMT", 600.0)],
)  # fmt: skip
def test_a_wait_is_a_sensible_number_or_none(written_as: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": written_as}) == seconds


# -- what is right ----------------------------------------------------------------------------------------------


async def test_an_answer_in_slow_small_pieces_is_whole(serve: Serve) -> None:
    bytes_of = b"".join(event(value) for value in (said("Zwölf "), said("€", "stop"), usage(20, 2)))
    pieces = [bytes_of[i : i + 7] for i in range(0, len(bytes_of), 7)]
    server = serve(raw(head(200, "text/event-stream"), *pieces, event(b"[DONE]"), pause_s=0.005))
    done = await written(metered(chat(server))[0])
    assert (done.text, done.stop, done.usage.tokens) == ("Zwölf €", "eos", 22)


async def test_control_characters_and_half_surrogates_do_no_harm(serve: Serve) -> None:
    half = (
        b'{"choices":[{"index":0,"delta":{"content":"\\u0000\\u2028\\ud83d\\u0085\\u001b[2J"},"finish_reason":"stop"}]}'
    )
    model, seen = metered(chat(serve(stream(half, usage(20, 3)))))
    done = await written(model)
    assert done.text == "\0\u2028\ufffd\u0085\x1b[2J"
    assert json.loads(json.dumps(done.text).encode()) == done.text
    assert done.text.encode() and [event for event in seen.events if event.kind == "token"]


@pytest.mark.parametrize(
    ("told", "input_", "output"),
    [
        (usage(20, 5), 20, 5),
        (usage(20, 1), 20, 2),  # two parts came
        (usage(20, 0), 20, 8),  # nobody knows: no more tokens than bytes
        (usage(20, -5), 20, 8),
        (usage(20, "many"), 20, 8),
        (usage(20, 10**12), 20, MOST),
        (usage(20, True), 20, 8),
        (usage(-1, 5), None, 5),
        (usage(10**12, 5), None, 5),
        (usage(0, 5), None, 5),
        ({"choices": [], "usage": None}, None, 8),
        ({"choices": [], "usage": [1]}, None, 8),
        ({"choices": []}, None, 8),
    ],
    ids=str,
)
async def test_figures_are_believed_as_far_as_they_can_be_true(
    serve: Serve, told: dict[str, Any], input_: int | None, output: int
) -> None:
    model, _ = metered(backend := chat(serve(stream(said("It is "), said("4.", "stop"), told))))
    done = await written(model)
    assert (done.usage.input, done.usage.output) == (backend.count(ASK) if input_ is None else input_, output)
    assert model.ledger.spent.tokens == done.usage.tokens


async def test_cached_and_reasoning_tokens_are_parts_and_never_more_than_the_whole(serve: Serve) -> None:
    cached, thought = {"cached_tokens": 12, "cache_write_tokens": 3}, {"reasoning_tokens": 4}
    told = usage(20, 5, prompt_tokens_details=cached, completion_tokens_details=thought)
    done = await written(metered(chat(serve(stream(said("4", "stop"), told))))[0])
    assert (done.usage.input, done.usage.cached_input, done.usage.cache_write) == (5, 12, 3)
    assert (done.usage.output, done.usage.reasoning, done.usage.tokens) == (5, 4, 13)
    absurd = usage(
        20, 5, prompt_tokens_details={"cached_tokens": 99}, completion_tokens_details={"reasoning_tokens": 99}
    )
    done = await written(metered(chat(serve(stream(said("4", "stop"), absurd))))[0])
    assert (done.usage.input, done.usage.cached_input, done.usage.output, done.usage.reasoning) == (0, 20, 5, 5)


# -- keys -------------------------------------------------------------------------------------------------------


async def test_a_key_is_sent_and_never_said(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-very-secret")
    server = serve(status(401, "wrong key: Bearer sk-very-secret\n\x1b[31mtry again"), FINE)
    backend = chat(server, key_env="SOME_KEY")
    model, seen = metered(backend)
    with pytest.raises(Refused, match="SOME_KEY") as caught:
        await written(model)
    assert server.asked[0].headers["authorization"] == "Bearer sk-very-secret"
    known = [repr(backend), repr(vars(backend)), str(caught.value), repr(caught.value.__dict__), repr(seen.events)]
    known += [repr(backend.settings), repr(caught.value.__cause__), str(caught.value.hint)]
    assert [text for text in known if "very-secret" in text] == []
    assert "\x1b" not in str(caught.value)


async def test_nothing_is_sent_for_a_key_that_nobody_named(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    server = serve(FINE)
    await written(metered(chat(server))[0])
    assert "secret" not in repr(server.asked)


def test_a_key_that_is_missing_is_named_before_anything_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(Refused, match="SOME_KEY holds no key; set it"):
        OpenAIBackend("m", base_urls=("http://127.0.0.1:1/v1",), key_env="SOME_KEY")


def test_what_is_no_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-verÿ-secret")
    with pytest.raises(Refused, match="is no key") as caught:
        OpenAIBackend("m", base_urls=("http://127.0.0.1:1/v1",), key_env="SOME_KEY")
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(Whose("http://x", "m", "SOME_KEY", "sk-very-secret"))


# -- cancelling -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "tokens"), [("bill_partial", 2), ("bill_full", MOST), ("unknown", MOST), ("drain", 9)]
)
async def test_a_cancelled_call_costs_what_its_policy_says(serve: Serve, policy: str, tokens: int) -> None:
    slow = stream(*(said("x") for _ in range(8)), said("x", "stop"), usage(20, 9), pause_s=0.1)
    model, seen = metered(backend := chat(serve(slow), cancel=policy))
    call = asyncio.create_task(written(model))
    while sum(event.kind == "token" for event in seen.events) < 2:
        await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    prompt = 20 if policy == "drain" else backend.count(ASK)
    assert model.ledger.spent.tokens == prompt + tokens


async def test_a_call_that_waits_for_a_server_costs_nothing_when_it_is_cancelled(serve: Serve) -> None:
    server = serve(FINE)
    model, seen = metered(chat(server, patience_s=60), attempts=2)
    server.silence()
    call = asyncio.create_task(written(model))
    while not any(event.kind == "retry" for event in seen.events):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert model.ledger.spent.tokens == 0


async def test_an_answer_that_is_cut_at_a_delimiter_costs_what_the_policy_says(serve: Serve) -> None:
    endless = stream(said("one\n"), said("\ntwo"), *(said("x") for _ in range(20)), pause_s=0.02)
    for policy, output in (("bill_partial", len("one\n\ntwo")), ("unknown", MOST)):
        done = await written(metered(chat(serve(endless), cancel=policy))[0], stop=("\n\n",))
        assert (done.text, done.stop, done.usage.output) == ("one\n\ntwo", "delimiter", output)


async def test_a_peek_without_log_probabilities_is_paid_and_says_what_to_do(serve: Serve) -> None:
    told = {"choices": [{"index": 0, "message": {"content": "4"}, "logprobs": None}], "usage": usage(20, 1)["usage"]}
    backend = chat(serve(plain(told)))
    model, _ = metered(backend)
    with pytest.raises(BackendError, match="top_logprobs: 0"):
        await model.peek(ASK, ["4"])
    await backend.close()
    assert model.ledger.spent.tokens > 20
    assert "peek" not in chat(serve(FINE), top_logprobs=0).capabilities.operations


async def test_a_peek_reads_the_top_tokens_as_texts(serve: Serve) -> None:
    tops = [
        {"token": "4", "logprob": math.log(0.5)},
        {"token": " 4", "logprob": math.log(0.25)},
        {"token": "x", "logprob": -9999},
    ]
    answer = {
        "choices": [{"index": 0, "logprobs": {"content": [{"token": "4", "logprob": -0.7, "top_logprobs": tops}]}}]
    }
    backend = chat(serve(plain(answer | usage(20, 1) | {"choices": answer["choices"]})))
    seen = await backend.peek(ASK, ["4", "5"])
    await backend.close()
    assert seen.logprobs == pytest.approx({"4": math.log(0.75), "5": -math.inf})
    assert seen.top == pytest.approx((math.log(0.5), math.log(0.25), -math.inf))
    assert seen.exactness == "lower_bound"
    assert 0 < seen.entropy <= -(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25)) + 1e-6
    assert seen.usage.tokens == Cost(input=20, output=1).tokens
