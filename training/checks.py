"""A small evaluation every few million tokens, so that trouble shows early: accuracy, and how well the ratings tell
wrong steps.
"""

import re
import time
from collections.abc import Callable, Sequence

from ..backends.local.qwen3 import Qwen3
from ..tasks.word_problems import WordProblem, problems
from .formats import RATE, asking
from .loop import Trainer, append
from .rollout import ANSWER_LIMIT, OwnStep, Rating, own_steps, rate, write
from .statistics import auroc
from .tokenizer import Encoder

ANSWER = re.compile(r"\\boxed\{(\d+)\}")


def answered(model: Qwen3, encoder: Encoder, asked: Sequence[WordProblem]) -> list[bool]:
    """Which problems the model solves, greedily."""
    prompts = [encoder.encode(asking(problem.question)) for problem in asked]
    written = write(model, prompts, stop=(encoder.one("<|im_end|>"),), limit=ANSWER_LIMIT)
    found = [ANSWER.findall(encoder.decode(text.ids)) for text in written]
    return [bool(said) and int(said[-1]) == problem.answer for said, problem in zip(found, asked, strict=True)]


def rated(judge: Qwen3, encoder: Encoder, steps: Sequence[OwnStep]) -> list[Rating]:
    digits = [encoder.one(str(digit)) for digit in range(10)]
    return rate(judge, encoder.encode(RATE), digits, [(s.prefix, s.written.ids) for s in steps])


class Check:
    """Called after every step; measures on the first process when enough tokens have passed, and hands the model on."""

    def __init__(
        self,
        encoder: Encoder,
        draft: Qwen3 | None,
        every: int,
        publish: Callable[[Qwen3], None],
        count: int = 100,
    ) -> None:
        self.encoder, self.draft, self.every, self.publish = encoder, draft, every, publish
        self.problems = problems(count, seed=11)
        self.steps: list[OwnStep] = []
        self.due: int | None = None

    def __call__(self, trainer: Trainer) -> None:
        due = self.due or (trainer.tokens // self.every + 1) * self.every
        self.due = due
        if trainer.tokens < due:
            return
        self.due = due + self.every
        if trainer.rank == 0:
            model = trainer.snapshot()
            line = {"tokens": trainer.tokens, **self.measure(model)}
            append(trainer.folder / "checks.jsonl", line)
            print(line, flush=True)
            self.publish(model)

    def measure(self, model: Qwen3) -> dict[str, float]:
        began = time.monotonic()
        right = answered(model, self.encoder, self.problems)
        line = {"accuracy": sum(right) / len(right)}
        if self.draft is not None:
            self.steps = self.steps or own_steps(self.draft, self.encoder, self.problems)
            scores = [-rating.expected for rating in rated(model, self.encoder, self.steps)]
            line["rating_auroc"] = round(auroc(scores, [step.wrong for step in self.steps]), 4)
        return line | {"check_s": round(time.monotonic() - began, 1)}
