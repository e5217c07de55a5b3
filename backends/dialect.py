"""A model's own wording: turn frames, think tags, and how it is asked to rate a step; strategies hold no prompt text.

A checkpoint may carry a `dialect.json` with these fields; the defaults are ChatML with `<think>` tags, and the judge
prompt follows Pan et al. 2025, "SpecReason", arXiv 2504.07891, section 4.1 in our own words. A thinking that is to be
rated is shown unclosed, unless closing it is the step to rate.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

from .base import Context, Part, Piece, Role

_RATE = (
    "Rate only the last step of the reasoning above, from 0 to 9: is it factually correct and does it follow? "
    "Ignore its style and whether it helps. Answer with one digit."
)
_COMPARE = (
    "Here are two proposals for the next step of one solution.\n\nFirst: {left}\n\nSecond: {right}\n\n"
    "Do they say the same, so that either could stand for the other? Ignore the wording. Answer yes or no."
)
_PLACES: Final = re.compile(r"\{left\}|\{right\}")
_MARK: Final = "\ue000mark\ue000"  # what no template writes or trims, to find where it puts a message


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardForm:
    """The wording in which a process reward model reads a problem and the steps of its solution.

    opening: stands before everything. problem: the problem's line, `{problem}` being its text. answering: what opens
    the answer. delimiter: what separates the steps of a text. separator: closes each step; its last token alone is
    written, and the reward is read there. think_end: how the end of the thinking is shown; where empty it is not.
    """

    opening: str = ""
    problem: str = "{problem}\n"
    answering: str = ""
    delimiter: str = "\n\n"
    separator: str = "\n\n"
    think_end: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Fixed wording around pieces; `{role}` in `turn_open` is the role's name.

    think_skip: opens and closes an empty thinking, for an answer without one. instruction: added to a question that
    is to be reasoned about. judge: what a user asks to have the last step rated; judge_prefill: how the rating's
    turn begins. compare: what a user asks to learn whether two steps, `{left}` and `{right}`, say the same. step: what
    separates reasoning steps. reward: how a process reward model is asked.
    """

    turn_open: str = "<|im_start|>{role}\n"
    turn_close: str = "<|im_end|>\n"
    think_open: str = "<think>\n"
    think_end: str = "</think>"
    think_close: str = "</think>\n\n"
    think_skip: str = "<think>\n\n</think>\n\n"
    instruction: str = (
        "\n\nReason step by step, with a blank line between steps, and put the final answer in \\boxed{}."
    )
    judge: str = _RATE
    judge_prefill: str = "<think>I think the quality score is: "
    compare: str = _COMPARE
    step: str = "\n\n"
    reward: RewardForm | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a `dialect.json`; fields that it lacks keep their defaults. Raises: ValueError on an unknown field."""
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        form = raw.pop("reward", None)
        known = [item.name for item in fields(cls)]
        if unknown := next((name for name in raw if name not in known), None):
            raise ValueError(f"{path}: a dialect has no `{unknown}`; it has {', '.join(known)}")
        return cls(**raw, reward=form and _reward(path, form))

    @classmethod
    def from_chat_template(cls, template: str) -> Self:
        """Find the frames that a Jinja chat template writes; a default system message is left out.

        Raises: ValueError where the template cannot be said in a dialect's fields.
        """
        _, close_open_assistant, close_open_user, close = _render(template, ("user", "assistant", "user"))
        assistant, user = close_open_assistant.removeprefix(close), close_open_user.removeprefix(close)
        turn = user.replace("user", "{role}")
        if not close or turn.replace("{role}", "assistant") != assistant or "{role}" not in turn:
            raise ValueError("its turns have no common frame; write a dialect.json beside it")
        opening = _render(template, ("user",), add_generation_prompt=True)[-1]
        skipping = _render(template, ("user",), add_generation_prompt=True, enable_thinking=False)[-1]
        prefix = close + assistant
        return cls(
            turn_open=turn,
            turn_close=close,
            **_thinking(template, opening.removeprefix(prefix), skipping.removeprefix(prefix)),
        )

    def render(self, context: Context) -> Iterator[str | Piece]:
        """The context as frames and pieces, up to where the assistant's next token stands.

        A turn that broke off while thinking is shown unclosed, unless its last piece closed it itself.
        """
        role: Role | None = None
        part: Part = "text"
        closed = False
        for piece in context.pieces:
            if piece.role != role or role == "user":
                if closed:
                    yield self.think_close
                yield from self._turn(role, piece.role)
                role, part, closed = piece.role, "text", False
            if role == "assistant":
                yield from self._cross(part, piece.part)
                part, closed = piece.part, piece.part == "think" and piece.stop == "think_end"
            yield piece
            if role == "user" and piece.part == "think" and self.instruction:
                yield self.instruction
        if role != "assistant":
            yield from self._turn(role, "assistant")
            part = "text"
        yield from self._cross(part, context.writing)

    def rate(self, context: Context) -> Context:
        """The context with the request to rate its last step, about to write the digit."""
        asked = context.append(_fixed("user", self.judge))
        if self.judge_prefill:
            asked = asked.append(_fixed("assistant", self.judge_prefill))
        return asked.then("text")

    def same(self, left: str, right: str) -> Context:
        """The question whether two steps say the same, about to be answered with yes or no, without thinking."""
        texts = {"{left}": left.strip(), "{right}": right.strip()}
        asked = _PLACES.sub(lambda place: texts[place[0]], self.compare)
        return Context((Piece(role="user", text=asked),), "answer")

    def _turn(self, before: Role | None, role: Role) -> Iterator[str]:
        if before is not None:
            yield self.turn_close
        yield self.turn_open.replace("{role}", role)

    def _cross(self, before: Part, after: Part) -> Iterator[str]:
        """The tags between two parts of one turn."""
        if before == "text" and after == "think":
            yield self.think_open
        elif before == "text" and after == "answer":
            yield self.think_skip
        elif before == "think" and after == "answer":
            yield self.think_close


def _reward(path: Path, raw: dict[str, str]) -> RewardForm:
    """The section `reward` of a file. Raises: ValueError on an unknown field."""
    known = [item.name for item in fields(RewardForm)]
    if unknown := next((name for name in raw if name not in known), None):
        raise ValueError(f"{path}: the section `reward` has no `{unknown}`; it has {', '.join(known)}")
    return RewardForm(**raw)


@lru_cache(maxsize=64)
def _fixed(role: Role, text: str) -> Piece:
    """One piece for all who ask the same, so that a tokenizer encodes it once."""
    return Piece(role=role, text=text)


def _render(template: str, roles: tuple[Role, ...], **options: bool) -> list[str]:
    """What the template writes before, between and after messages of these roles."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    messages = [{"role": role, "content": _MARK} for role in roles]
    try:
        compiled = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(template)
        frames = compiled.render(messages=messages, bos_token="", eos_token="", **options).split(_MARK)
    except TemplateError as error:
        raise ValueError(f"it cannot be rendered: {error}; write a dialect.json beside it") from error
    if len(frames) != len(roles) + 1:
        raise ValueError("it does not show every message once; write a dialect.json beside it")
    return frames


def _thinking(template: str, opening: str, skipping: str) -> dict[str, Any]:
    """The tags of thinking: what a prompt ends with when the model is to think, and when it is not to."""
    if "<think>" not in template and not opening:
        prefill = Dialect().judge_prefill.removeprefix("<think>")
        return {"think_open": "", "think_end": "", "think_close": "", "think_skip": "", "judge_prefill": prefill}
    if not opening:  # the model opens its thinking itself
        return {"think_skip": skipping} if skipping else {}
    end = opening.strip().replace("<", "</", 1)
    skip = skipping if skipping != opening else f"{opening}\n{end}\n\n"
    return {"think_open": opening, "think_end": end, "think_close": f"{end}\n\n", "think_skip": skip}
