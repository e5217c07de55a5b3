"""What a server is sent for a context, and what of its answer is text, for servers that know no token ids."""

import json
from typing import Any

import pytest

from headgate.backends.base import Completion, Constraint, Context, EntropyStop, Piece, Sampling, Token
from headgate.backends.dialect import Dialect
from headgate.backends.errors import EngineFailed, Refused, Unreachable
from headgate.backends.openai.backend import OpenAIBackend
from headgate.backends.openai.settings import Settings

from .conftest import Serve, chat
from .hostile import plain, said, status, stream, usage

ASK = Context.ask("2 + 2?")
THOUGHT = Piece(role="assistant", text="It is 4.", part="think")
CLOSED = Piece(role="assistant", text="It is 4.", part="think", stop="think_end")
DIALECT = Dialect(instruction=" Think.", judge="Rate.", judge_prefill="Score: ")


async def sent(serve: Serve, context: Context, settings: dict[str, Any], **wishes: Any) -> dict[str, Any]:
    """The request that a context becomes."""
    server = serve(stream(said("x", "stop"), usage(9, 1)))
    said_ = Settings(**({"server": "plain", "max_context": 999} | settings))
    backend = OpenAIBackend("m", base_urls=(server.url,), dialect=DIALECT, settings=said_)
    await backend.generate(context, Sampling(**wishes))
    await backend.close()
    return dict(server.asked[0].body)


async def answered(
    serve: Serve, *events: Any, context: Context = ASK, seen: list[Token] | None = None, **wishes: Any
) -> Completion:
    backend = chat(serve(stream(*events, usage(9, 7))), **wishes.pop("settings", {}))
    follow = None if seen is None else lambda token: seen.append(token)
    done = await backend.generate(context, Sampling(**wishes), 1, follow)
    await backend.close()
    return done[0]


async def test_a_question_is_a_message_with_the_instruction(serve: Serve) -> None:
    body = await sent(serve, ASK, {}, max_tokens=7, seed=2**40 + 5)
    assert body["messages"] == [{"role": "user", "content": "2 + 2? Think."}]
    assert (body["max_tokens"], body["seed"], body["temperature"]) == (7, 5, 0.0)
    assert not {"stop", "top_p", "top_k", "logprobs", "n"} & set(body)


async def test_a_turn_is_continued_as_the_server_wants_it(serve: Serve) -> None:
    context = ASK.append(THOUGHT)
    begun = "<think>\nIt is 4."
    for way, more in (("prefill", {}), ("prefix", {"prefix": True}), ("continue_final", {})):
        body = await sent(serve, context, {"continuation": way})
        assert body["messages"][1] == {"role": "assistant", "content": begun, **more}
        assert ("continue_final_message" in body) == (way == "continue_final")
    body = await sent(serve, context.then("answer"), {"continuation": "prefill"})
    assert body["messages"][1]["content"] == begun + "</think>\n\n"


async def test_a_turn_that_nobody_has_begun_is_left_to_the_template(serve: Serve) -> None:
    assert len((await sent(serve, ASK, {"continuation": "prefill"}))["messages"]) == 1
    skipped = await sent(serve, ASK.then("answer"), {"continuation": "prefill"})
    assert skipped["messages"][1]["content"] == "<think>\n\n</think>\n\n"


async def test_an_answer_is_asked_for_where_no_turn_can_be_continued(serve: Serve) -> None:
    body = await sent(serve, ASK.append(CLOSED).then("answer"), {})
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == "<think>\nIt is 4.</think>\n\n"
    assert body["messages"][2]["content"] == "Now give the final answer only."


async def test_a_step_is_refused_where_no_turn_can_be_continued(serve: Serve) -> None:
    with pytest.raises(Refused, match="cannot go on within a turn, step by step; use api: completions"):
        await sent(serve, ASK.append(THOUGHT), {})


async def test_a_judge_gets_no_prefill_where_no_turn_can_be_begun(serve: Serve) -> None:
    server = serve(stream(said("x", "stop")))
    for way, roles in (("ask", ["user", "assistant", "user"]), ("prefill", ["user", "assistant", "user", "assistant"])):
        backend = chat(server, continuation=way)
        rating = backend.judge(ASK.append(THOUGHT))
        assert [piece.role for piece in rating.pieces] == roles
        await backend.close()


async def test_completions_are_sent_the_text_of_the_dialect(serve: Serve) -> None:
    server = serve(stream({"choices": [{"index": 0, "text": " 4", "finish_reason": "stop"}]}, usage(9, 1)))
    said_ = Settings(server="plain", api="completions")
    backend = OpenAIBackend("m", base_urls=(server.url,), dialect=DIALECT, settings=said_)
    done = (await backend.generate(ASK.append(THOUGHT), Sampling()))[0]
    await backend.close()
    expected = "<|im_start|>user\n2 + 2? Think.<|im_end|>\n<|im_start|>assistant\n<think>\nIt is 4."
    assert server.asked[0].path == "/v1/completions"
    assert server.asked[0].body["prompt"] == expected
    assert done.text == " 4"
    assert backend.count(ASK.append(THOUGHT)) >= len(expected)


async def test_fields_are_added_renamed_and_left_out(serve: Serve) -> None:
    settings = {
        "extra": {"top_k": 3, "user": "me"},
        "omit": ["temperature", "seed"],
        "max_tokens_field": "max_completion_tokens",
    }
    body = await sent(serve, ASK, settings, max_tokens=7, temperature=0.5)
    assert (body["user"], body["top_k"], body["max_completion_tokens"]) == ("me", 3, 7)
    assert not {"temperature", "seed", "max_tokens"} & set(body)


async def test_a_server_that_cannot_end_at_an_entropy_is_not_asked_to(serve: Serve) -> None:
    with pytest.raises(Refused, match="entropy"):
        await sent(serve, ASK, {}, entropy_stop=EntropyStop(above=1.0))


# -- answers ----------------------------------------------------------------------------------------------------


async def test_thinking_ends_with_its_tag_which_is_not_text(serve: Serve) -> None:
    done = await answered(serve, said("<think>\nIt "), said("is 4.</thi"), said("nk>\n\nFour", "stop"))
    assert (done.text, done.stop) == ("It is 4.", "think_end")


async def test_a_turn_that_ends_while_thinking_says_so(serve: Serve) -> None:
    done = await answered(serve, said("It is 4."), said("", "stop"))
    assert (done.text, done.stop, done.usage.reasoning) == ("It is 4.", "eos", 7)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_thinking_that_a_server_sets_apart_is_the_thinking(serve: Serve, name: str) -> None:
    def thinks(text: str) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": {name: text}}]}

    seen: list[Token] = []
    done = await answered(serve, thinks("It "), thinks("is 4."), said("Four.", "stop"), seen=seen)
    assert (done.text, done.stop) == ("It is 4.", "think_end")
    assert "".join(token.text for token in seen) == "It is 4."
    plain_ = await answered(serve, thinks("It "), said("Four.", "stop"), context=ASK.then("text"))
    assert (plain_.text, plain_.stop, plain_.usage.output) == ("Four.", "eos", 7)


async def test_a_follower_ends_an_answer(serve: Serve) -> None:
    backend = chat(serve(stream(*(said(word) for word in "abcd"), said("", "stop"))), cancel="bill_partial")
    seen: list[str] = []

    def follow(token: Token) -> bool:
        seen.append(token.text)
        return token.text == "b"

    (done,) = await backend.generate(ASK, Sampling(), 1, follow)
    await backend.close()
    assert (done.text, done.stop, seen, done.usage.output) == ("ab", "callback", ["a", "b"], 2)


async def test_what_is_cut_for_its_length_says_so(serve: Serve) -> None:
    done = await answered(serve, said("It"), said("", "length"))
    assert (done.text, done.stop) == ("It", "length")


async def test_samples_of_one_call_share_its_prompt(serve: Serve) -> None:
    events = [said("a", index=1), said("b"), said("c", "stop", index=1), said("", "stop"), usage(9, 4)]
    server = serve(stream(*events))
    backend = chat(server)
    done = await backend.generate(ASK, Sampling(temperature=1.0), 2)
    await backend.close()
    assert [one.text for one in done] == ["b", "ac"]
    assert server.asked[0].body["n"] == 2
    assert (sum(one.usage.input for one in done), sum(one.usage.output for one in done)) == (9, 4)
    assert sum(one.usage.calls for one in done) == 1


async def test_greedy_samples_are_one(serve: Serve) -> None:
    server = serve(stream(said("a", "stop"), usage(9, 1)))
    backend = chat(server)
    done = await backend.generate(ASK, Sampling(), 3)
    await backend.close()
    assert [one.text for one in done] == ["a"] * 3
    assert len(server.asked) == sum(one.usage.output for one in done) == 1


async def test_log_probabilities_give_a_bound(serve: Serve) -> None:
    told = {"content": [{"token": "4", "logprob": -0.5, "top_logprobs": [{"token": "4", "logprob": -0.5}]}]}
    done = await answered(serve, said("4", "stop", logprobs=told), entropies=True, settings={"top_logprobs": 1})
    assert (done.logprobs, done.exactness) == ((-0.5,), "lower_bound")
    assert done.entropies
    assert 0.5 < done.entropies[0] < 0.7
    bare = await answered(serve, said("4", "stop"), entropies=True)
    assert (bare.logprobs, bare.entropies, bare.exactness) == ((), None, "none")


# -- opening ----------------------------------------------------------------------------------------------------


def models(*names: str, **more: Any) -> Any:
    return plain({"data": [{"id": name, **more} for name in names]})


def test_a_server_is_asked_what_it_is(serve: Serve) -> None:
    vllm = serve(models=models("m", owned_by="vllm", max_model_len=777))
    can = OpenAIBackend("m", base_urls=(vllm.url,)).capabilities
    assert (can.max_context, can.cancel, can.token_ids, can.external) == (777, "bill_partial", False, True)
    hosted = serve(models=models("other", owned_by="somebody"))
    can = OpenAIBackend("m", base_urls=(hosted.url,)).capabilities
    assert (can.max_context, can.cancel, "score" in can.operations) == (131_072, "unknown", False)
    silent = serve(models=status(404))
    assert OpenAIBackend("m", base_urls=(silent.url,)).capabilities.cancel == "unknown"


def test_a_vllm_that_does_not_serve_the_model_says_which_ones_it_does(serve: Serve) -> None:
    server = serve(models=models("small", "large", owned_by="vllm"))
    with pytest.raises(Refused, match="serves no `m`; it serves small, large"):
        OpenAIBackend("m", base_urls=(server.url,))


def test_the_first_server_that_answers_is_believed(serve: Serve) -> None:
    gone, here = serve(), serve(models=models("m", max_model_len=5))
    gone.silence()
    assert OpenAIBackend("m", base_urls=(gone.url, here.url)).capabilities.max_context == 5


@pytest.mark.parametrize("reply", [plain([1]), plain({"data": 3}), status(500)], ids=["a list", "a number", "500"])
def test_servers_that_all_fail_are_an_error_before_anything_is_spent(serve: Serve, reply: Any) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        OpenAIBackend("m", base_urls=(serve(models=reply).url,))


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(Refused, match="is no address; `base_url` is such as"):
        OpenAIBackend("m", base_urls=("http://host:many/v1",))


# -- constraints ----------------------------------------------------------------------------------------------------

SCHEMA = '{"type": "object", "properties": {"a": {"type": "integer"}}}'


async def test_a_schema_is_a_response_format_or_what_vllm_calls_it(serve: Serve) -> None:
    body = await sent(serve, ASK, {"json_schema": True}, constraint=Constraint(json_schema=SCHEMA))
    form = {"name": "answer", "schema": json.loads(SCHEMA), "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": form}
    assert "structured_outputs" not in body
    body = await sent(serve, ASK, {"server": "vllm"}, constraint=Constraint(json_schema=SCHEMA))
    assert body["structured_outputs"] == {"json": json.loads(SCHEMA)}
    assert "response_format" not in body
    assert "response_format" not in await sent(serve, ASK, {"json_schema": True})


async def test_a_regex_is_said_to_a_vllm_and_refused_elsewhere_before_anything_is_sent(serve: Serve) -> None:
    digits = Constraint(regex="[0-9]+")
    assert (await sent(serve, ASK, {"server": "vllm"}, constraint=digits))["structured_outputs"] == {"regex": "[0-9]+"}
    server = serve()
    tries: list[tuple[dict[str, Any], Constraint]] = [({"json_schema": True}, digits), ({}, digits)]
    for settings, wish in [*tries, ({}, Constraint(json_schema=SCHEMA))]:
        backend = chat(server, **settings)
        with pytest.raises(Refused, match=f"has no {wish.operation}"):
            await backend.generate(ASK, Sampling(constraint=wish))
        await backend.close()
    assert not server.asked


@pytest.mark.parametrize(
    ("settings", "can"),
    [
        ({}, set[str]()),
        ({"json_schema": True}, {"json_schema"}),
        ({"json_schema": True, "api": "completions"}, set[str]()),
        ({"server": "vllm"}, {"regex", "json_schema"}),
    ],
)
async def test_only_constraints_that_are_kept_are_declared(
    serve: Serve, settings: dict[str, Any], can: set[str]
) -> None:
    backend = chat(serve(), **settings)
    assert backend.capabilities.operations & {"regex", "json_schema"} == can
    await backend.close()


async def test_openais_own_address_is_trusted_with_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    backend = OpenAIBackend("m", settings=Settings(server="plain"))
    assert "json_schema" in backend.capabilities.operations
    await backend.close()


async def test_a_request_that_is_turned_away_within_a_stream_is_refused_unless_a_text_had_begun(serve: Serve) -> None:
    error = {"error": {"message": "bad regex", "type": "BadRequestError", "code": 400}}
    for begun, meant in (((), Refused), ((said("x"),), EngineFailed)):
        backend = chat(serve(stream(*begun, error)))
        with pytest.raises(meant, match="bad regex"):
            await backend.generate(ASK, Sampling())
        await backend.close()
