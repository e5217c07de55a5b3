"""Draft and target together on held-out problems: the draft writes every step, and the target redoes those that it
rates low.

Source: Pan et al. 2025, "SpecReason", arXiv 2504.07891, section 3. A small batched form of it for measuring a freshly
trained pair; the strategy itself lives in `strategies/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..backends.local.qwen3 import Qwen3
from ..tasks.word_problems import WordProblem
from .checks import ANSWER
from .formats import DELIMITER, RATE, asking
from .rollout import STEP_LIMIT, rate, write
from .tokenizer import Encoder

MOST_STEPS = 16
Key = tuple[int, ...]


@dataclass(slots=True)
class Pair:
    """Both models, remembering what they wrote: greedily, a step depends on nothing but the text before it."""

    draft: Qwen3
    target: Qwen3
    encoder: Encoder
    drafted: dict[Key, list[int]] = field(default_factory=dict)
    redone: dict[Key, list[int]] = field(default_factory=dict)
    scores: dict[Key, float] = field(default_factory=dict)

    def write(self, model: Qwen3, memory: dict[Key, list[int]], texts: Sequence[list[int]]) -> None:
        new = list({tuple(text): text for text in texts if tuple(text) not in memory}.values())
        stop = (self.encoder.one("<|im_end|>"), self.encoder.one(DELIMITER))
        for text, written in zip(new, write(model, new, stop=stop, limit=STEP_LIMIT), strict=True):
            memory[tuple(text)] = written.ids

    def score(self, texts: Sequence[list[int]]) -> None:
        new = [text for text in texts if tuple(text) not in self.scores]
        digits = [self.encoder.one(str(digit)) for digit in range(10)]
        pairs = [(text, self.drafted[tuple(text)]) for text in new]
        for text, rating in zip(new, rate(self.target, self.encoder.encode(RATE), digits, pairs), strict=True):
            self.scores[tuple(text)] = rating.expected


@dataclass(slots=True)
class Thread:
    """One problem on its way."""

    problem: WordProblem
    ids: list[int]
    by_draft: int = 0
    by_target: int = 0
    ended: bool = False

    def take(self, ids: list[int], end: int, *, from_target: bool) -> None:
        self.ids = self.ids + ids
        self.by_target += len(ids) if from_target else 0
        self.by_draft += 0 if from_target else len(ids)
        self.ended = ids[-1] == end


def specreason(pair: Pair, asked: Sequence[WordProblem], threshold: float) -> tuple[list[bool], float]:
    """Which problems come out right, and the share of the final texts that the target wrote."""
    threads = [Thread(problem=p, ids=pair.encoder.encode(asking(p.question))) for p in asked]
    end = pair.encoder.one("<|im_end|>")
    for _ in range(MOST_STEPS):
        going = [thread for thread in threads if not thread.ended]
        pair.write(pair.draft, pair.drafted, [thread.ids for thread in going])
        pair.score([thread.ids for thread in going])
        low = [thread for thread in going if pair.scores[tuple(thread.ids)] < threshold]
        pair.write(pair.target, pair.redone, [thread.ids for thread in low])
        for thread in going:
            key = tuple(thread.ids)
            redo = pair.scores[key] < threshold
            thread.take(pair.redone[key] if redo else pair.drafted[key], end, from_target=redo)
    return [correct(pair, thread) for thread in threads], share(threads)


def correct(pair: Pair, thread: Thread) -> bool:
    said = ANSWER.findall(pair.encoder.decode(thread.ids))
    return bool(said) and int(said[-1]) == thread.problem.answer


def share(threads: Sequence[Thread]) -> float:
    written = sum(thread.by_draft + thread.by_target for thread in threads)
    return sum(thread.by_target for thread in threads) / written
