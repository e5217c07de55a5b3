"""What spans and their events say: only what is named here leaves, so that no text of a problem does by accident."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...budget.cost import Cost
from ...budget.events import Event
from . import semconv
from .record import Attributes
from .semconv import Semconv

# what is told of an event at a moment of a span, and what of it only with content
_TOLD: Final[Mapping[str, tuple[str, ...]]] = {
    "step": ("index", "author", "kept", "stop", "tokens", "score", "signal"),
    "retry": ("role", "error", "attempt", "wait_s"),
    "wait": ("unit", "asked", "left", "scope"),
    "refuse": ("role", "purpose", "unit", "asked", "left"),
    "overrun": ("unit", "asked", "left"),
    "rebook": ("role", "was", "now"),
    "node_skip": ("reason",),
    "note": ("text",),
    "answer": ("status",),
    "settle": ("role", "purpose", "stop"),
}
_CONTENT: Final[Mapping[str, tuple[str, ...]]] = {"step": ("text", "reason"), "answer": ("text", "reason")}
_REASONS: Final = {"length": "length", "budget": "length", "cancelled": "error", "lost": "error"}
_PLAIN: Final = (str, bool, int, float)
_INDEX: Final = re.compile(r"[-_.]?\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How events become attributes. content: with questions, texts and answers. cost: with the drafted cost names."""

    names: Semconv
    content: bool = False
    cost: bool = False

    def happening(self, event: Event) -> Attributes:
        """Of an event at a moment of a span."""
        told = _TOLD.get(event.kind, ()) + (_CONTENT.get(event.kind, ()) if self.content else ())
        given = [name for name in told if event.payload.get(name) is not None]
        found: Attributes = {f"headgate.{name}": plain(event.payload[name]) for name in given}
        if event.kind == "rebook" and event.cost:
            found["headgate.tokens"] = event.cost.tokens
        if event.kind == "settle" and event.cost:
            found[semconv.NANODOLLARS] = event.cost.nanodollars
        return found

    def agent(self, name: str) -> Attributes:
        """Of a node or a nested strategy, known at its start."""
        found: Attributes = {semconv.OPERATION: "invoke_agent", semconv.AGENT: name}
        return found | ({semconv.PROVIDER: "headgate"} if self.names.agents_have_providers else {})

    def call(self, event: Event, model: Mapping[str, object]) -> Attributes:
        """Of a model's call, known before it leaves.

        Every call is a conversation in turns, hence chat; one that may not generate a token rates a text that is
        there, as legacy completions do.
        """
        tokens = number(event.payload.get("tokens"))
        found: Attributes = {semconv.OPERATION: "chat" if tokens else "text_completion", **model}
        found |= {f"headgate.{name}": str(event.payload.get(name, "")) for name in ("role", "purpose")}
        found |= {semconv.MAX_TOKENS: tokens} if tokens else {}
        return found | ({"headgate.shrunk": True} if event.payload.get("shrunk") else {})

    def usage(self, cost: Cost) -> Attributes:
        """Of a call alone: input holds what was read from and written to a cache, output the reasoning."""
        written = cost.input + cost.cached_input + cost.cache_write
        found: Attributes = {semconv.INPUT_TOKENS: written, semconv.OUTPUT_TOKENS: cost.output}
        if cost.cached_input:
            found[semconv.CACHE_READ] = cost.cached_input
        if cost.cache_write:
            found[self.names.cache_write] = cost.cache_write
        if cost.reasoning:
            found[semconv.REASONING] = cost.reasoning
        return found | self.price(cost)

    def price(self, cost: Cost) -> Attributes:
        """What a call or a tool itself cost, never what is below it."""
        found: Attributes = {semconv.NANODOLLARS: cost.nanodollars}
        if self.cost:
            found |= {semconv.COST_AMOUNT: cost.dollars, semconv.COST_CURRENCY: "USD", semconv.COST_SOURCE: "local"}
        return found

    def outcome(self, event: Event) -> Attributes:
        """Of a call that was settled."""
        stops = event.payload.get("stops") or ([stop] if (stop := event.payload.get("stop")) else [])
        told = [str(stop) for stop in stops] if isinstance(stops, list | tuple) else []  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        failed = event.payload.get("error") or (event.payload.get("unmeasured") and not told)
        reasons = [_REASONS.get(stop, "stop") for stop in told] or (["error"] if failed else [])
        found: Attributes = {semconv.FINISH_REASONS: reasons} if reasons and told != ["released"] else {}
        found |= {"headgate.stop": told[0] if len(told) == 1 else told} if told else {}
        found |= {"headgate.unmeasured": True} if event.payload.get("unmeasured") else {}
        text = event.payload.get("text")
        if self.content and isinstance(text, str):
            found[semconv.OUTPUT_MESSAGES] = self.message("assistant", text, *reasons[:1])
        return found

    def message(self, role: str, text: str, reason: str = "") -> str:
        """One message, as the JSON of the conventions' schema: many collectors take no structured attributes."""
        said: dict[str, object] = {"role": role, "parts": [{"type": "text", "content": text}]}
        if self.names.messages_have_reasons and reason:
            said["finish_reason"] = reason
        return json.dumps([said], ensure_ascii=False)


def spent(cost: Cost | None) -> Attributes:
    """Of a scope: all that was spent in it and below, under names that no sum over spans mixes with the calls'."""
    return {semconv.SPENT + unit: amount for unit, amount in cost.units().items()} if cost else {}


def agent_name(path: str) -> str:
    """What the strategy at a path is called; of sample-3 it is sample, so that names stay few."""
    above, _, last = path.rpartition("/")
    return _INDEX.sub("", last) or f"{above.rpartition('/')[2]} item"


def number(value: object) -> int:
    """A count from a payload; 0 where there is none."""
    return value if isinstance(value, int) else 0


def plain(value: object) -> str | bool | int | float:
    """A value as an attribute may hold it."""
    return value if isinstance(value, _PLAIN) else json.dumps(value, default=str, ensure_ascii=False)
