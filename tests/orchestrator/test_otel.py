"""Traces: spans rebuilt from a run's events, sent to a collector, and joined to others by W3C trace context."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from headgate import Agent, Cost, Event
from headgate.orchestrator.otel import ExportError, OtelSink, export, spans, traceparent
from headgate.orchestrator.otel.w3c import parse

from .conftest import furnish, headgate

QUESTION = "Tom has 1 apple. Mia has 2 more. How many does Mia have?"
STEPS = ["Tom1.", "Mia:Tom1+2;Mia3."]
EPOCH_NS = 1_800_000_000_000_000_000
INBOUND = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"


@dataclass(slots=True)
class Listed:
    """A sink that keeps every event."""

    events: list[Event] = field(default_factory=list[Event])
    streaming: bool = True

    def write(self, event: Event) -> None:
        self.events.append(event)

    async def flush(self) -> None:
        return


@pytest.fixture
def recipe(tmp_path: Path) -> dict[str, object]:
    """spec_reason on a small model that errs half of the time, then a vote of three by the large one."""
    models: dict[str, object] = {}
    for name, skill, price in (("draft", 0.5, 0.1), ("target", 1.0, 2.0)):
        form = {"form": "skill", "solutions": {QUESTION: [STEPS, "3"]}, "skill": skill, "seconds_per_token": 0}
        (tmp_path / f"{name}.json").write_text(json.dumps(form))
        priced = {"input": price, "output": price * 4, "cached_input": price / 10, "source": "a test"}
        models[name] = {"backend": "scripted", "model": f"{tmp_path}/{name}.json", "price": priced}
    vote = {
        "use": "self_consistency",
        "needs": ["solve"],
        "roles": {"model": "target"},
        "budget": {"tokens": 3000},
        "with": {"n": 3, "strategy": {"use": "direct"}},
    }
    budget = {"each": {"tokens": 9000, "dollars": "0.5"}, "total": {"seconds": 600}}
    return {"version": 1, "models": models, "budget": budget, "nodes": {"solve": {"use": "spec_reason"}, "vote": vote}}


@dataclass(slots=True)
class Ran:
    """A run's events and what its ledger says it cost."""

    events: list[Event]
    spent: Cost


def run(recipe: Mapping[str, object], *sinks: OtelSink, after: Sequence[Event] = ()) -> Ran:
    """One question, answered; `after` an earlier process's events."""
    listed = Listed()
    agent = Agent(recipe, sinks=[listed, *sinks])
    if after:
        agent.trace.go_on(after[-1].id, after[-1].t)
    assert agent.solve(QUESTION).text == "3"
    agent.close()
    return Ran([unclocked(event) for event in listed.events], agent.ledger.spent)


def unclocked(event: Event) -> Event:
    """Without the wall clock, so that times follow from EPOCH_NS."""
    return event._replace(payload={name: value for name, value in event.payload.items() if name != "time_ns"})


@pytest.fixture
def ran(recipe: Mapping[str, object]) -> Ran:
    return run(recipe)


def of(found: Sequence[ReadableSpan], **wanted: object) -> list[ReadableSpan]:
    """The spans with these attributes of ours."""
    return [s for s in found if all((s.attributes or {}).get(f"headgate.{k}") == v for k, v in wanted.items())]


def told(span: ReadableSpan) -> Mapping[str, object]:
    return dict(span.attributes or {})


def rebuilt(events: Sequence[Event], **options: object) -> list[ReadableSpan]:
    return spans(events, run_id="r1", epoch_ns=EPOCH_NS, **options)  # type: ignore[arg-type]


def names(found: Sequence[ReadableSpan]) -> set[tuple[str, str]]:
    """Every span beside the one above it."""
    by_id = {span.context.span_id: span.name for span in found if span.context}
    return {(span.name, by_id.get(span.parent.span_id, "?") if span.parent else "") for span in found}


def crashed(events: Sequence[Event]) -> list[Event]:
    """The events of a process that died while the last call of its second node was out."""
    last = max(i for i, event in enumerate(events) if event.kind == "reserve")
    return list(events[: last + 1])


# -- what the spans are ---------------------------------------------------------------------------------------------


def test_a_run_holds_problems_that_hold_nodes_that_hold_calls_and_nested_strategies(ran: Ran) -> None:
    assert names(rebuilt(ran.events)) == {
        ("invoke_workflow recipe", ""),
        ("invoke_workflow problem", "invoke_workflow recipe"),
        ("invoke_agent solve", "invoke_workflow problem"),
        ("invoke_agent vote", "invoke_workflow problem"),
        ("invoke_agent sample", "invoke_agent vote"),
        ("chat draft.json", "invoke_agent solve"),
        ("chat target.json", "invoke_agent solve"),
        ("chat target.json", "invoke_agent sample"),
    }


def test_every_reservation_is_a_call_and_every_call_is_settled(ran: Ran) -> None:
    calls = [s for s in rebuilt(ran.events) if told(s)["gen_ai.operation.name"] == "chat"]
    assert len(calls) == sum(event.kind == "reserve" for event in ran.events)
    assert all(call.status.status_code is StatusCode.UNSET and call.kind is SpanKind.INTERNAL for call in calls)


def test_times_are_those_of_the_events(ran: Ran) -> None:
    (node,) = of(rebuilt(ran.events), scope="node", strategy="spec_reason")
    start = next(event for event in ran.events if event.kind == "node_start")
    end = next(event for event in ran.events if event.kind == "node_end")
    assert (node.start_time, node.end_time) == (EPOCH_NS + round(start.t * 1e9), EPOCH_NS + round(end.t * 1e9))


def test_whatever_is_inside_lies_inside_in_time(ran: Ran) -> None:
    found = rebuilt(ran.events)
    by_id = {span.context.span_id: span for span in found if span.context}
    for span in found:
        if span.parent:
            above = by_id[span.parent.span_id]
            assert (above.start_time or 0) <= (span.start_time or 0) <= (span.end_time or 0) <= (above.end_time or 0)


def test_usage_on_calls_adds_up_to_the_bill_and_stands_nowhere_else(ran: Ran) -> None:
    found, spent = rebuilt(ran.events), ran.spent

    def total(name: str) -> int:
        return sum(int(str(told(span).get(name, 0))) for span in found)

    assert total("gen_ai.usage.input_tokens") == spent.input + spent.cached_input + spent.cache_write
    assert total("gen_ai.usage.cache_read.input_tokens") == spent.cached_input > 0
    assert total("gen_ai.usage.output_tokens") == spent.output > 0
    assert total("gen_ai.usage.reasoning.output_tokens") == spent.reasoning
    assert total("headgate.cost.nanodollars") == spent.nanodollars > 0
    above = [span for span in found if "headgate.scope" in told(span)]
    assert not [name for span in above for name in told(span) if name.startswith("gen_ai.usage")]


def test_a_scope_says_what_it_may_spend_and_what_it_and_all_below_it_spent(ran: Ran) -> None:
    found = rebuilt(ran.events)
    (whole,), (problem,), (vote,) = of(found, scope="run"), of(found, scope="problem"), of(found, path=_vote(ran))
    assert told(whole)["headgate.budget.limit.seconds"] == 600
    assert told(problem)["headgate.budget.limit.nanodollars"] == 500_000_000
    assert told(vote)["headgate.budget.limit.tokens"] == 3000
    assert told(whole)["headgate.budget.spent.tokens"] == ran.spent.tokens
    samples = [told(span)["headgate.budget.spent.output"] for span in of(found, scope="strategy")]
    assert sum(int(str(output)) for output in samples) == told(vote)["headgate.budget.spent.output"]


def _vote(ran: Ran) -> str:
    return next(event.path for event in ran.events if event.kind == "node_start" and event.path.endswith("/vote"))


def test_steps_and_waits_are_moments_of_the_strategy_they_happened_in(ran: Ran) -> None:
    (solve,) = of(rebuilt(ran.events), strategy="spec_reason")
    steps = [event for event in ran.events if event.kind == "step" and "/solve/" in event.path]
    happened = [what for what in solve.events if what.name == "headgate.step"]
    assert [dict(what.attributes or {})["headgate.index"] for what in happened] == [e.payload["index"] for e in steps]
    assert [what.timestamp for what in happened] == [EPOCH_NS + round(event.t * 1e9) for event in steps]


@pytest.mark.parametrize(("semconv", "written"), [("1.41", "cache_creation"), ("genai-main", "cache_write")])
def test_the_conventions_decide_names_and_schema(semconv: str, written: str) -> None:
    cost = Cost(input=3, cached_input=4, cache_write=5, output=2, reasoning=1, calls=1, nanodollars=7)
    events = [
        event(1, "run_start", ""),
        event(2, "reserve", "p", role="draft", purpose="think", tokens=9),
        event(3, "settle", "p", parent=2, cost=cost, stop="length", text="x"),
        event(4, "answer", "p", status="answered"),
    ]
    found = rebuilt(events, semconv=semconv)
    (call,) = of(found, role="draft")
    usage = {k: v for k, v in told(call).items() if k.startswith("gen_ai.usage")}
    assert usage == {
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.cache_read.input_tokens": 4,
        f"gen_ai.usage.{written}.input_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 1,
    }
    assert told(call)["gen_ai.response.finish_reasons"] == ["length"]
    (agent,) = of(found, scope="strategy")
    assert ("gen_ai.provider.name" in told(agent)) == (semconv == "1.41")
    assert call.instrumentation_scope
    assert call.instrumentation_scope.schema_url == (
        "https://opentelemetry.io/schemas/1.41.0" if "." in semconv else ""
    )


def test_unknown_conventions_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"1\.41, genai-main"):
        rebuilt([], semconv="2.0")


def test_a_run_without_an_id_is_refused_since_ids_are_made_from_it() -> None:
    with pytest.raises(ValueError, match="empty"):
        spans([], run_id="", epoch_ns=0)


def test_the_drafted_cost_names_are_there_only_when_asked_for(ran: Ran) -> None:
    assert "gen_ai.usage.cost.amount" not in str([told(span) for span in rebuilt(ran.events)])
    priced = [told(span) for span in rebuilt(ran.events, cost=True) if "gen_ai.usage.cost.amount" in told(span)]
    assert sum(float(str(one["gen_ai.usage.cost.amount"])) for one in priced) == pytest.approx(ran.spent.dollars)
    assert {one["gen_ai.usage.cost.currency"] for one in priced} == {"USD"}
    assert {one["gen_ai.operation.name"] for one in priced} == {"chat"}


def test_no_text_of_a_problem_leaves_unless_asked_for(ran: Ran, tmp_path: Path) -> None:
    secrets = [QUESTION, *STEPS, "boxed"]
    without = "".join(span.to_json() for span in rebuilt(ran.events))
    assert [text for text in [*secrets, str(tmp_path)] if text in without] == []
    found = rebuilt(ran.events, content=True)
    whole = "".join(span.to_json() for span in found)
    assert [text for text in secrets if text not in whole] == []
    (problem,) = of(found, scope="problem")
    asked = json.loads(str(told(problem)["gen_ai.input.messages"]))
    assert asked == [{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]
    said = json.loads(str(told(problem)["gen_ai.output.messages"]))
    assert said == [{"role": "assistant", "parts": [{"type": "text", "content": "3"}], "finish_reason": "stop"}]


def test_all_that_sampling_may_ask_for_is_there_when_a_span_begins(ran: Ran) -> None:
    """A process that died at once left starts and nothing more."""
    first = next(i for i, event in enumerate(ran.events) if event.kind == "reserve")
    found = {told(span)["gen_ai.operation.name"]: told(span) for span in rebuilt(ran.events[: first + 1])}
    assert {"gen_ai.workflow.name"} <= found["invoke_workflow"].keys()
    assert {"gen_ai.agent.name"} <= found["invoke_agent"].keys()
    assert {"gen_ai.provider.name", "gen_ai.request.model", "gen_ai.request.max_tokens"} <= found["chat"].keys()


# -- events by hand ---------------------------------------------------------------------------------------------


def event(
    id: int, kind: str, path: str, *, parent: int | None = None, cost: Cost | None = None, **told: object
) -> Event:
    return Event(id=id, parent=parent, path=path, kind=kind, t=id / 10, cost=cost, payload=told)  # type: ignore[arg-type]


def test_a_tool_is_a_span_that_bears_its_own_cost() -> None:
    held = Cost(tool_calls={"python": 1}, nanodollars=9)
    events = [
        event(1, "run_start", ""),
        event(2, "reserve", "p/solve", role="python", purpose="tool", cost=held),
        event(3, "tool_start", "p/solve", tool="python", arguments={"code": "1+1"}),
        event(4, "settle", "p/solve", parent=2, cost=held, role="python"),
        event(5, "tool_end", "p/solve", parent=3, result="2", error=""),
        event(6, "tool_start", "p/solve", tool="search", arguments={}),
        event(7, "tool_end", "p/solve", parent=6, result=None, error="no such page"),
        event(8, "answer", "p/solve", status="answered", text="2"),
        event(9, "run_end", ""),
    ]
    found = rebuilt(events)
    assert ("execute_tool python", "invoke_agent solve") in names(found)
    python, search = (s for s in found if told(s)["gen_ai.operation.name"] == "execute_tool")
    assert (told(python)["headgate.cost.nanodollars"], python.status.status_code) == (9, StatusCode.UNSET)
    assert (search.status.status_code, search.status.description) == (StatusCode.ERROR, "no such page")
    assert told(search)["error.type"] == "tool_error"
    assert "gen_ai.tool.call.arguments" not in told(python)
    asked = rebuilt(events, content=True)[3]
    assert told(asked)["gen_ai.tool.call.arguments"] == '{"code": "1+1"}'


def test_a_call_that_may_not_write_a_token_is_no_chat() -> None:
    events = [
        event(1, "run_start", ""),
        event(2, "reserve", "p", role="target", purpose="score", tokens=0, cost=Cost(input=9, calls=1)),
        event(3, "settle", "p", parent=2, cost=Cost(input=9, calls=1)),
    ]
    (call,) = of(rebuilt(events), role="target")
    assert call.name == "text_completion target"
    assert "gen_ai.response.finish_reasons" not in told(call)


def test_a_model_on_a_server_is_a_client_s_call_with_its_address() -> None:
    recipe = "models: {big: {backend: openai, model: some/model, base_url: 'https://host.example/v1', key_env: KEY}}"
    events = [event(1, "run_start", "", recipe=recipe), event(2, "reserve", "p", role="big", tokens=5)]
    (call,) = of(rebuilt(events), role="big")
    assert (call.name, call.kind) == ("chat some/model", SpanKind.CLIENT)
    found = {name: told(call)[name] for name in ("gen_ai.provider.name", "server.address", "server.port")}
    assert found == {"gen_ai.provider.name": "openai", "server.address": "host.example", "server.port": 443}
    assert "KEY" not in call.to_json()


@pytest.mark.parametrize("recipe", ["", "]", "- 1", "models: 3", "models: {a: {base_url: 'http://x:y'}}", None, 7])
def test_a_recipe_that_cannot_be_read_leaves_the_role_as_the_model(recipe: object) -> None:
    events = [event(1, "run_start", "", recipe=recipe), event(2, "reserve", "p", role="big", tokens=5)]
    assert of(rebuilt(events), role="big")[0].name == "chat big"


def test_what_the_budget_did_is_told_where_it_did_it() -> None:
    events = [
        event(1, "run_start", ""),
        event(2, "wait", "p/solve", asked=500),
        event(3, "retry", "p/solve", role="target", error="busy", attempt=1, wait_s=0.5),
        event(4, "refuse", "p/solve", role="target", purpose="think", unit="tokens", asked=20, left=3),
        event(5, "overrun", "run", unit="tokens", asked=30, left=-2),
        event(6, "node_skip", "p/vote", reason="solve answered"),
        event(7, "run_end", ""),
    ]
    found = rebuilt(events)
    happened = {span.name: [what.name for what in span.events] for span in found}
    assert happened == {
        "invoke_workflow headgate": ["headgate.overrun"],
        "invoke_agent p": ["headgate.node_skip"],
        "invoke_agent solve": ["headgate.wait", "headgate.retry", "headgate.refuse"],
    }
    refused = of(found, path="p/solve")[0].events[2].attributes
    assert dict(refused or {})["headgate.left"] == 3


def test_a_failed_answer_and_a_failed_call_are_errors_and_an_exhausted_answer_is_none() -> None:
    events = [
        event(1, "run_start", ""),
        event(2, "problem_start", "a", question="?"),
        event(3, "reserve", "a/x", role="draft", tokens=5),
        event(4, "settle", "a/x", parent=3, cost=Cost(calls=1), error="busy"),
        event(5, "answer", "a/x", status="failed", reason="busy"),
        event(6, "problem_end", "a", status="failed", reason="busy"),
        event(7, "problem_start", "b", question="?"),
        event(8, "problem_end", "b", status="exhausted", reason="spent"),
        event(9, "run_end", ""),
    ]
    found = rebuilt(events)
    errors = [(s.name, told(s)["error.type"], s.status.description) for s in found if "error.type" in told(s)]
    assert errors == [
        ("invoke_workflow problem", "failed", "busy"),
        ("invoke_agent x", "failed", "busy"),
        ("chat draft", "backend_error", "busy"),
    ]
    (call,) = of(found, role="draft")
    assert told(call)["gen_ai.response.finish_reasons"] == ["error"]


def test_what_a_problem_leaves_open_ends_with_it_and_is_an_error_where_its_start_was_told() -> None:
    events = [
        event(1, "run_start", ""),
        event(2, "problem_start", "a", question="?"),
        event(3, "node_start", "a/solve", strategy="direct"),
        event(4, "wait", "a/solve/sample-0", asked=5),
        event(5, "wait", "b", asked=5),
        event(6, "problem_end", "a", status="failed", reason="broken"),
        event(7, "run_end", ""),
    ]
    found = {str(told(span).get("headgate.path")): span for span in rebuilt(events)}
    assert told(found["a/solve"])["error.type"] == told(found["a/solve/sample-0"])["error.type"] == "interrupted"
    assert found["a/solve"].end_time == EPOCH_NS + 600_000_000
    assert (found["b"].status.status_code, found["b"].end_time) == (StatusCode.UNSET, EPOCH_NS + 500_000_000)


def test_the_same_question_asked_twice_at_once_is_two_problems() -> None:
    events = [
        event(1, "run_start", ""),
        event(2, "problem_start", "a", question="?"),
        event(3, "problem_start", "a", question="?"),
        event(4, "problem_end", "a", status="answered"),
        event(5, "problem_end", "a", status="answered"),
        event(6, "run_end", ""),
    ]
    found = of(rebuilt(events), scope="problem")
    assert [told(span)["headgate.status"] for span in found] == ["answered", "answered"]


@settings(max_examples=60)
@given(st.data())
def test_any_piece_of_any_run_gives_spans_that_end_and_have_parents(data: st.DataObject) -> None:
    kinds = "run_start run_end problem_start problem_end node_start node_end reserve settle wait refuse retry step"
    kinds += " tool_start tool_end answer note rebook overrun token"
    paths = st.sampled_from(["", "run", "p", "p/a", "p/a/s-0", "p/a/s-1/t", "q", "q/0"])
    drawn = data.draw(st.lists(st.tuples(st.sampled_from(kinds.split()), paths, st.integers(1, 30)), max_size=30))
    events = [
        event(i + 1, kind, path, parent=parent, cost=Cost(calls=1)) for i, (kind, path, parent) in enumerate(drawn)
    ]
    found = rebuilt(events)
    ids = [span.context.span_id for span in found if span.context]
    assert len(set(ids)) == len(ids) == len(found)
    assert all((s.start_time or 0) <= (s.end_time or 0) for s in found)
    assert all(span.parent is None or span.parent.span_id in ids for span in found)
    assert sum(e.kind == "reserve" for e in events) == len([s for s in found if s.name.startswith("text_completion")])


# -- crashes and resumes ------------------------------------------------------------------------------------------


def test_a_crashed_run_shows_what_was_at_work_as_errors_that_end_with_its_last_event(ran: Ran) -> None:
    events = crashed(ran.events)
    found = rebuilt(events)
    errors = [span for span in found if span.status.status_code is StatusCode.ERROR]
    at_work = {"invoke_workflow recipe", "invoke_workflow problem", "invoke_agent vote", "invoke_agent sample"}
    assert {span.name for span in errors} == at_work | {"chat target.json"}
    assert {span.end_time for span in errors} == {EPOCH_NS + round(events[-1].t * 1e9)}
    assert {told(span)["error.type"] for span in errors} == {"interrupted"}


def test_a_call_of_unknown_outcome_is_charged_in_full_and_says_so(ran: Ran) -> None:
    events = crashed(ran.events)
    (lost,) = of(rebuilt(events), unmeasured=True)
    held = events[-1].cost
    assert held
    assert told(lost)["gen_ai.usage.output_tokens"] == held.output
    assert told(lost)["gen_ai.response.finish_reasons"] == ["error"]
    assert told(lost)["headgate.cost.nanodollars"] == held.nanodollars


def test_a_resumed_run_is_a_trace_of_its_own_that_links_to_the_crashed_one(recipe: Mapping[str, object]) -> None:
    before = crashed(run(recipe).events)
    after = run(recipe, after=before)
    found = rebuilt([*before, *after.events], traceparent=INBOUND)
    first, second = of(found, scope="run")
    assert first.parent
    assert f"{first.parent.trace_id:032x}" in INBOUND
    assert second.parent is None
    assert second.context
    assert first.context
    assert second.context.trace_id != first.context.trace_id
    assert [link.context for link in second.links] == [as_remote(first)]
    assert (told(first)["headgate.resumed"], told(second)["headgate.resumed"]) == (False, True)


def as_remote(span: ReadableSpan) -> object:
    from opentelemetry.trace import SpanContext

    assert span.context
    return SpanContext(span.context.trace_id, span.context.span_id, True, span.context.trace_flags)


def test_what_a_resume_settles_for_a_dead_process_is_not_charged_twice(recipe: Mapping[str, object]) -> None:
    before = crashed(run(recipe).events)
    last = before[-1]
    after = [
        event(last.id + 1, "run_start", ""),
        event(last.id + 2, "settle", last.path, parent=last.id, cost=last.cost, stop="lost", unmeasured=True),
        event(last.id + 3, "run_end", ""),
    ]
    bill = sum((e.cost for e in before if e.kind == "settle" and e.cost), Cost()) + (last.cost or Cost())
    found = rebuilt([*before, *[e._replace(t=last.t) for e in after]])
    assert sum(int(str(told(s).get("headgate.cost.nanodollars", 0))) for s in found) == bill.nanodollars
    assert sum(int(str(told(s).get("gen_ai.usage.output_tokens", 0))) for s in found) == bill.output
    assert of(found, scope="run", resumed=True)[0].events == ()


def test_a_process_that_tells_its_wall_clock_begins_then() -> None:
    """A run's own clock stands still while no process runs."""
    later = EPOCH_NS + 3_600_000_000_000
    events = [event(1, "run_start", ""), event(2, "run_start", "", time_ns=later), event(3, "run_end", "")]
    _, second = rebuilt(events)
    assert (second.start_time, second.end_time) == (later, later + 100_000_000)


def test_exporting_twice_gives_the_same_spans_and_another_run_others(ran: Ran) -> None:
    again = [span.to_json() for span in rebuilt(ran.events)]
    assert again == [span.to_json() for span in rebuilt(ran.events)]
    other = spans(ran.events, run_id="r2", epoch_ns=EPOCH_NS)
    ours, theirs = ({s.context.span_id for s in found if s.context} for found in (rebuilt(ran.events), other))
    assert not ours & theirs


# -- trace context ----------------------------------------------------------------------------------------------


def test_the_run_is_a_child_of_what_called_it_and_keeps_its_flags(ran: Ran) -> None:
    found = rebuilt(ran.events, traceparent=INBOUND)
    (whole,) = of(found, scope="run")
    assert whole.parent
    assert whole.parent.is_remote
    assert f"{whole.parent.span_id:016x}" == "b7ad6b7169203331"
    assert {(f"{s.context.trace_id:032x}", int(s.context.trace_flags)) for s in found if s.context} == {
        ("0af7651916cd43dd8448eb211c80319c", 3)
    }


@pytest.mark.parametrize(
    "header",
    [
        "no header",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ],
)
def test_a_malformed_traceparent_is_ignored_with_a_note(header: str, ran: Ran) -> None:
    assert parse(header) is None
    (whole,) = of(rebuilt(ran.events, traceparent=header), scope="run")
    assert whole.parent is None
    assert "malformed" in str(dict(whole.events[0].attributes or {})["headgate.text"])


def test_a_traceparent_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    found = parse(" 42-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-more ")
    assert found
    assert found.header() == INBOUND


def test_the_header_for_an_event_names_the_span_that_it_begins(ran: Ran) -> None:
    for inbound in ("", INBOUND):
        found = {s.context.span_id: s.context for s in rebuilt(ran.events, traceparent=inbound) if s.context}
        for happened in ran.events:
            if happened.kind in ("reserve", "node_start", "problem_start"):
                place = parse(traceparent("r1", happened.id, started=ran.events[0].id, inbound=inbound))
                assert place
                assert found[place.span_id].trace_id == place.trace_id
                assert place.flags == (3 if inbound else 1)


# -- collectors -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Collector:
    """An OTLP/HTTP collector that keeps what it is sent."""

    endpoint: str = ""
    requests: list[ExportTraceServiceRequest] = field(default_factory=list[ExportTraceServiceRequest])
    status: int = 200

    def spans(self) -> list[object]:
        return [s for r in self.requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]


@contextmanager
def collecting() -> Generator[Collector]:
    collector = Collector()

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces" and collector.status == 200:
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    collector.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def nowhere() -> str:
    """An address at which nothing listens."""
    with collecting() as collector:
        return collector.endpoint


def test_a_collector_gets_every_span_of_a_journal_as_it_is(ran: Ran) -> None:
    sent = rebuilt(ran.events, traceparent=INBOUND)
    with collecting() as collector:
        export(sent, collector.endpoint)
    (request,) = collector.requests
    (resource,) = request.resource_spans
    (scope,) = resource.scope_spans
    assert (scope.scope.name, scope.schema_url) == ("headgate", "https://opentelemetry.io/schemas/1.41.0")
    assert "headgate" in str(resource.resource.attributes)
    got = {(s.name, s.span_id, s.parent_span_id, s.start_time_unix_nano, s.end_time_unix_nano) for s in scope.spans}
    assert got == {(s.name, _id(s.context), _id(s.parent), s.start_time, s.end_time) for s in sent}
    call = next(span for span in scope.spans if span.name == "chat draft.json")
    values = {one.key: one.value for one in call.attributes}
    assert values["gen_ai.usage.output_tokens"].int_value > 0
    assert [v.string_value for v in values["gen_ai.response.finish_reasons"].array_value.values] == ["stop"]


def _id(context: object) -> bytes:
    return int(getattr(context, "span_id", 0)).to_bytes(8, "big") if context else b""


def test_a_collector_that_cannot_be_reached_is_named_with_the_reason(ran: Ran) -> None:
    sent, endpoint = rebuilt(ran.events), nowhere()
    with pytest.raises(ExportError, match=f"{len(sent)} spans were not taken by {endpoint}/v1/traces: .+; start"):
        export(sent, endpoint, timeout_s=0.3)


def test_a_collector_that_refuses_is_named_with_its_status(ran: Ran) -> None:
    with collecting() as collector:
        collector.status = 403
        with pytest.raises(ExportError, match="403"):
            export(rebuilt(ran.events), collector.endpoint, timeout_s=0.3)


def test_an_endpoint_that_is_no_address_is_refused_at_once() -> None:
    with pytest.raises(ExportError, match="http://localhost:4318"):
        export([], "localhost:4318")


def test_a_live_run_sends_what_its_journal_would_give(recipe: Mapping[str, object]) -> None:
    with collecting() as collector:
        sink = OtelSink(collector.endpoint, run_id="r1", epoch_ns=EPOCH_NS, semconv="genai-main")
        ran = run(recipe, sink)
        sink.close()
    assert {(s.name, s.span_id) for s in collector.spans()} == {  # type: ignore[attr-defined]
        (s.name, _id(s.context)) for s in rebuilt(ran.events, semconv="genai-main")
    }


def test_the_command_line_sends_live_what_the_journal_gives_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACEPARENT", INBOUND)
    furnish()
    with collecting() as collector:
        assert headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "x", "-q", "--otel", collector.endpoint).exit_code == 0
    with collecting() as again:
        assert headgate("trace", "x", "--otel", again.endpoint).exit_code == 0
    live, kept = ({(s.name, s.span_id, s.parent_span_id) for s in one.spans()} for one in (collector, again))  # type: ignore[attr-defined]
    assert live == kept
    assert len(live) > 10


def test_a_live_run_is_exported_by_any_exporter_of_the_sdk(recipe: Mapping[str, object]) -> None:
    memory, began = InMemorySpanExporter(), time.time_ns()
    sink = OtelSink(exporter=memory)
    ran = run(recipe, sink)
    sink.close()
    found = memory.get_finished_spans()
    assert names(found) == names(rebuilt(ran.events))
    assert all(began <= (span.start_time or 0) <= time.time_ns() for span in found)


def test_what_the_caller_does_not_sample_is_not_sent(recipe: Mapping[str, object]) -> None:
    memory = InMemorySpanExporter()
    sink = OtelSink(exporter=memory, traceparent=f"{INBOUND[:-2]}00")
    run(recipe, sink)
    sink.close()
    assert memory.get_finished_spans() == ()


def test_a_collector_that_is_down_neither_fails_nor_slows_a_run_and_is_told_of_once(
    recipe: Mapping[str, object], capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []
    sink = OtelSink(nowhere(), tell=heard.append, timeout_s=0.3)
    for _ in range(3):
        run(recipe, sink)
        asyncio.run(sink.flush())
    sink.close()
    assert len(heard) == 1
    assert "takes no spans" in heard[0]
    assert capfd.readouterr().err == ""


def test_an_exporter_that_hangs_holds_up_no_event(ran: Ran) -> None:
    released = threading.Event()

    class Hanging(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            released.wait(20)
            return SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            return

    sink = OtelSink(exporter=Hanging())
    began = time.perf_counter()
    for index in range(200):  # thousands of spans: more than a batch, more than the queue
        for happened in ran.events:
            sink.write(happened._replace(id=happened.id + 1000 * index, parent=(happened.parent or 0) + 1000 * index))
    assert time.perf_counter() - began < 15
    released.set()
    sink.close()


def test_an_exporter_that_raises_is_told_of_once_and_left_alone_for_a_while(recipe: Mapping[str, object]) -> None:
    asked: list[int] = []

    class Broken(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            asked.append(len(spans))
            raise RuntimeError("broken")

        def shutdown(self) -> None:
            return

    heard: list[str] = []
    sink = OtelSink(exporter=Broken(), tell=heard.append)
    for _ in range(60):  # more than a batch
        run_of_events(sink)
    sink.close()
    assert (len(heard), len(asked)) == (1, 1)


def run_of_events(sink: OtelSink) -> None:
    for index in range(10):
        sink.write(event(2 * index + 1, "problem_start", f"p{index}"))
        sink.write(event(2 * index + 2, "problem_end", f"p{index}", status="answered"))


def test_a_resumed_sink_links_and_sends_what_the_dead_process_left_open(recipe: Mapping[str, object]) -> None:
    before = crashed(run(recipe).events)
    memory = InMemorySpanExporter()
    sink = OtelSink(exporter=memory, run_id="r1", epoch_ns=EPOCH_NS, earlier=before)
    after = run(recipe, sink, after=before)
    sink.close()
    sent = memory.get_finished_spans()
    whole = rebuilt([*before, *after.events])
    left = {s.context.span_id for s in rebuilt(before) if s.status.status_code is StatusCode.ERROR and s.context}
    resumed = {s.context.span_id for s in whole if s.context} - {
        s.context.span_id for s in rebuilt(before) if s.context
    }
    assert {s.context.span_id for s in sent if s.context} == left | resumed
    assert [len(span.links) for span in of(sent, scope="run", resumed=True)] == [1]


def test_earlier_events_need_their_wall_clock() -> None:
    with pytest.raises(ValueError, match="epoch_ns"):
        OtelSink(exporter=InMemorySpanExporter(), earlier=[event(1, "run_start", "")])


def test_a_live_run_gives_the_header_of_the_strategy_or_the_call_at_work(ran: Ran) -> None:
    sink = OtelSink(exporter=InMemorySpanExporter(), run_id="r1", epoch_ns=EPOCH_NS)
    assert sink.traceparent("anywhere") == ""
    events = crashed(ran.events)
    for happened in events:
        sink.write(happened)
    found = {s.context.span_id: told(s) for s in rebuilt(events) if s.context}
    place = parse(sink.traceparent(f"{events[-1].path}/step-0/python"))
    assert place
    assert (found[place.span_id]["headgate.path"], found[place.span_id]["headgate.scope"]) == (
        events[-1].path,
        "strategy",
    )
    call = parse(sink.traceparent(events[-1].path, events[-1].id))
    assert call
    assert found[call.span_id]["gen_ai.operation.name"] == "chat"
    sink.close()


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("opentelemetry.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    for use in (lambda: rebuilt([]), lambda: OtelSink("http://localhost:4318")):
        with pytest.raises(ExportError, match=r"pip install headgate\[otel\]"):
            use()
