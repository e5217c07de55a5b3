"""How a context is put to a server: token ids, text, or messages; and how many tokens that is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ..base import Context, Part, Piece, Role
from ..dialect import Dialect
from ..errors import Refused
from ..tokens import Tokens

_FRAME: Final = 16  # tokens around a message, at most
_PREFACE: Final = 128  # tokens that a server's own template may say first


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a server is to read: fields of a request; `tokens` of it, or an upper bound where not `exact`."""

    fields: Mapping[str, object]
    tokens: int
    exact: bool
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One way to speak: `/completions` with ids or text, or `/chat/completions`.

    continuation: how chat goes on within a turn. answer_request: what a user says for an answer where it cannot.
    """

    chat: bool
    dialect: Dialect
    tokens: Tokens | None
    continuation: str
    answer_request: str

    @property
    def path(self) -> str:
        """Below the API's root."""
        return "/chat/completions" if self.chat else "/completions"

    def count(self, context: Context) -> int:
        """How many tokens a context is; without a tokenizer, at most."""
        if self.tokens:
            size = len(self.tokens.prompt(self.dialect, context))
            return size + (_PREFACE if self.chat else 0)
        size = sum(
            len((part if isinstance(part, str) else part.text).encode(errors="replace"))
            for part in self._parts(context)
        )
        return size + (_FRAME * (len(context.pieces) + 2) + _PREFACE if self.chat else 1)

    def prompt(self, context: Context) -> Prompt:
        """As the request says it. Raises: Refused where the server cannot go on from here."""
        if self.chat:
            return Prompt(fields=self._messages(context), tokens=self.count(context), exact=False)
        if self.tokens:
            ids = tuple(self.tokens.prompt(self.dialect, context))
            return Prompt(fields={"prompt": ids}, tokens=len(ids), exact=True, ids=ids)
        text = _text(self._parts(context))
        return Prompt(fields={"prompt": text}, tokens=self.count(context), exact=False)

    def judge(self, context: Context) -> Context:
        """The context with the request to rate its last step; without a prefill where no turn can be begun."""
        asks = self.chat and self.continuation == "ask"
        dialect = replace(self.dialect, judge_prefill="") if asks else self.dialect
        return dialect.rate(context)

    def _parts(self, context: Context) -> list[str | Piece]:
        return list(self.dialect.render(context))

    def _messages(self, context: Context) -> dict[str, object]:
        """Whole turns as messages, and the last one as what is to be continued."""
        turns = _turns(context)
        begun = turns.pop()[1] if turns and turns[-1][0] == "assistant" else ()
        said = [{"role": role, "content": self._turn(role, pieces)} for role, pieces in turns]
        if self.continuation == "ask":
            return {"messages": said + self._asked(context, begun)}
        written = self._open(begun, context.writing)
        if not begun and written.strip() in ("", self.dialect.think_open.strip()):
            return {"messages": said}  # a template opens its own thinking
        last: dict[str, object] = {"role": "assistant", "content": written}
        if self.continuation == "prefix":
            last["prefix"] = True
        fields: dict[str, object] = {"messages": [*said, last]}
        if self.continuation == "continue_final":
            fields |= {"add_generation_prompt": False, "continue_final_message": True}
        return fields

    def _asked(self, context: Context, begun: tuple[Piece, ...]) -> list[dict[str, str]]:
        """The turn so far as a message of its own, and a user who asks for the answer."""
        if not begun:
            return []
        if context.writing != "answer":
            hint = "use api: completions, or say with `engine.continuation` how it does it (prefix, prefill)"
            raise Refused("this server cannot go on within a turn, step by step", hint=hint)
        so_far = {"role": "assistant", "content": self._turn("assistant", begun)}
        return [so_far, {"role": "user", "content": self.answer_request}]

    def _turn(self, role: Role, pieces: tuple[Piece, ...]) -> str:
        if role != "assistant":
            return "".join(
                piece.text + (self.dialect.instruction if role == "user" and piece.part == "think" else "")
                for piece in pieces
            )
        closed = pieces[-1].part == "think" and pieces[-1].stop == "think_end"
        return self._open(pieces, "answer" if closed else pieces[-1].part)

    def _open(self, pieces: tuple[Piece, ...], writing: Part) -> str:
        """An assistant's turn without its frame, up to where the next token stands."""
        rendered = list(self.dialect.render(Context(pieces, writing)))
        return _text(rendered[1:])


def _turns(context: Context) -> list[tuple[Role, tuple[Piece, ...]]]:
    """Neighbours of one role are one turn, but for a user's, who has a turn for each piece."""
    turns: list[tuple[Role, tuple[Piece, ...]]] = []
    for piece in context.pieces:
        if turns and turns[-1][0] == piece.role and piece.role != "user":
            turns[-1] = (piece.role, (*turns[-1][1], piece))
        else:
            turns.append((piece.role, (piece,)))
    return turns


def _text(parts: list[str | Piece]) -> str:
    return "".join(part if isinstance(part, str) else part.text for part in parts)
