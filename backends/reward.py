"""How a process reward model reads a problem and the steps of its solution, and what its head's numbers say.

Sources: Liao et al. 2025, "Reward-Guided Speculative Decoding for Efficient LLM Reasoning", arXiv 2501.19324, and its
code (the problem, a line feed, each step closed by one separator, no chat template); Zhang et al. 2025, "The Lessons of
Developing Process Reward Models in Mathematical Reasoning", arXiv 2501.07301, and its model card (a chat template, each
step closed by `<extra_0>`). What both share is a reward read at the token that closes a step.
"""

import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final

from ..budget.cost import Cost
from .base import Context, Piece, Rewards
from .dialect import RewardForm
from .errors import Refused
from .tokens import Tokens

Ids = tuple[int, ...]
Reading = Callable[[list[int], list[int]], Awaitable[tuple[Sequence[Sequence[float]], Cost]]]
_MATHS: Final = "Please reason step by step, and put your final answer within \\boxed{}."
IN_A_CHAT: Final = RewardForm(
    opening=f"<|im_start|>system\n{_MATHS}<|im_end|>\n<|im_start|>user\n",
    problem="{problem}",
    answering="<|im_end|>\n<|im_start|>assistant\n",
    separator="<extra_0>",
)
_CHATS: Final = "Qwen2ForProcessRewardModel"  # Qwen2.5-Math-PRM
_PLAIN: Final = "Qwen2ForPrmModel"  # Skywork-o1-Open-PRM


def form_of(config: Mapping[str, object], written: RewardForm | None, opening: str = "") -> RewardForm | None:
    """How a checkpoint reads, by what is written beside it or by its architecture's name; None for no reward model.

    opening: the token that its tokenizer begins a text with. Without a form of its own, a token classifier reads as in
    reward-guided speculative decoding.
    """
    found = config.get("architectures")
    names = [str(name) for name in found] if isinstance(found, list) else []  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    if not any(name in (_CHATS, _PLAIN) or name.endswith("ForTokenClassification") for name in names):
        return None
    return written or (IN_A_CHAT if _CHATS in names else RewardForm(opening=opening))


def reward(outputs: Sequence[float]) -> float:
    """A head's outputs at the end of a step, before any activation, as a reward from 0 to 1.

    One is a value, through the logistic function; of two logits the second is that of a right step.
    """
    margin = outputs[0] if len(outputs) == 1 else outputs[1] - outputs[0]
    return 1 / (1 + math.exp(-margin)) if margin >= 0 else math.exp(margin) / (1 + math.exp(margin))


class Solutions:
    """Problems and solutions in ids, as one model reads them; and the rewards of the steps that it read of late."""

    def __init__(self, tokens: Tokens, form: RewardForm, *, capacity: int = 1 << 14) -> None:
        self.form = form
        self._tokens = tokens
        self._encoded = lru_cache(maxsize=1 << 12)(self._encode)
        self._capacity = capacity
        self._known: OrderedDict[tuple[int, Ids], tuple[int, float]] = OrderedDict()
        self._named = 0

    def parts(self, context: Context) -> list[Ids]:
        """The ids of what comes before the first step, and then of each step, closed by its separator.

        The user's pieces are the problem, the assistant's the solution. Raises: Refused where a user speaks again.
        """
        roles = [piece.role for piece in context.pieces]
        begin = roles.index("assistant") if "assistant" in roles else len(roles)
        if {*roles[begin:]} - {"assistant"}:
            hint = "give it one question and one solution"
            raise Refused(
                "a process reward model reads no conversation: here a user speaks after the first step", hint=hint
            )
        problem = "\n\n".join(piece.text for piece in context.pieces[:begin] if piece.role == "user")
        asked = self._encoded(self.form.problem.replace("{problem}", problem))
        first = (*self._tokens.frame(self.form.opening), *asked, *self._tokens.frame(self.form.answering))
        return [first, *(step for piece in context.pieces[begin:] for step in self.steps(piece))]

    def steps(self, piece: Piece) -> list[Ids]:
        """The steps of a piece, each closed; a piece without text is none, unless the end of thinking is shown."""
        said = [self._encoded(text.strip()) for text in piece.text.split(self.form.delimiter) if text.strip()]
        if piece.stop == "think_end" and (end := self._tokens.frame(self.form.think_end)):
            said[-1:] = [(*(said[-1] if said else ()), *end)]
        closing = self._tokens.frame(self.form.separator)[-1:]
        return [(*step, *closing) for step in said]

    async def rewards(self, context: Context, read: Reading) -> Rewards:
        """A reward for each step; `read` tells the head's outputs at those positions of a text that are not known."""
        parts = self.parts(context)
        known = self.known(parts[:-1])
        if not (unknown := ends(parts)[len(known) :]):
            return Rewards(values=(), usage=Cost())
        outputs, usage = await read([token for part in parts for token in part], unknown)
        values = (*known, *map(reward, outputs))
        self.remember(parts, values)
        return Rewards(values=values, usage=usage)

    def known(self, parts: Sequence[Ids]) -> list[float]:
        """The rewards of the first steps, as far as they are known."""
        values, parent = list[float](), 0
        for part in parts:
            if (found := self._known.get((parent, part))) is None:
                break
            self._known.move_to_end((parent, part))
            parent, value = found
            values.append(value)
        return values[1:]

    def remember(self, parts: Sequence[Ids], values: Sequence[float]) -> None:
        """These are the rewards of all steps."""
        parent = 0
        for part, value in zip(parts, (0.0, *values), strict=True):
            if (found := self._known.get((parent, part))) is None:
                self._named += 1
                found = self._known[parent, part] = (self._named, value)
            parent = found[0]
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def forget(self) -> None:
        """Know nothing."""
        self._known.clear()

    def _encode(self, text: str) -> Ids:
        return tuple(self._tokens.encode(text, "user"))


def ends(parts: Sequence[Ids]) -> list[int]:
    """The positions at which the steps are closed, one a step."""
    return [end - 1 for end in accumulate(map(len, parts))][1:]
