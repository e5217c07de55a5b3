"""Two workers who think side by side, each seeing what both have finished and what the other is just writing.

Source: Rodionov et al. 2025, "Hogwild! Inference: Parallel LLM Generation via Concurrent Attention", arXiv 2504.06261,
section 3.2, the combined layout: finished steps in the order in which they were finished, then the other's unfinished
step, then one's own.
"""

import re
from dataclasses import dataclass
from random import Random

from ...tasks.word_problems import Line, WordProblem
from ..formats import CLOSE, DELIMITER, END, FINISHED, IDLE, boxed, header, shared, unfinished
from ..tokenizer import WORDS
from .document import Text
from .solving import Style

PIECE = re.compile(WORDS)


@dataclass(slots=True)
class Worker:
    """Who writes, what (None: waits until the other has finished), and how many tokens of it are there."""

    name: str
    line: Line | None = None
    said: str = IDLE
    done: int = 0

    @property
    def pieces(self) -> list[str]:
        return PIECE.findall(self.said)

    @property
    def left(self) -> int:
        return len(self.pieces) - self.done


def side_by_side(rng: Random, problem: WordProblem, style: Style) -> Text:
    """Both write a token a turn; every step is learned behind what its writer saw when it began."""
    text = Text().say(shared(problem.question))
    workers, finished = [Worker("A"), Worker("B")], set[str]()
    for number in (0, 1):
        begin(rng, text, workers, number, problem, finished, style)
    while problem.asked not in finished:
        number = min((n for n in (0, 1) if workers[n].line), key=lambda n: workers[n].left)
        tokens = workers[number].left
        for worker in workers:
            worker.done += tokens
        end(text, workers[number], finished)
        for n in (number, 1 - number):
            if workers[n].line is None and problem.asked not in finished:
                begin(rng, text, workers, n, problem, finished, style)
    for worker, other in (workers, workers[::-1]):
        text.branch((view(worker, other), 0.0), (FINISHED + DELIMITER, 1.0))
    return text.learn(CLOSE + boxed(problem.answer) + END)


def view(worker: Worker, other: Worker) -> str:
    """What a worker sees behind what is finished, when it begins to write."""
    return unfinished(other.name, "".join(other.pieces[: other.done])) + header(worker.name)


def begin(
    rng: Random, text: Text, workers: list[Worker], number: int, problem: WordProblem, finished: set[str], style: Style
) -> None:
    """Take up a step that can be done now and that the other is not at; learned as a branch, with the other in view."""
    worker, other = workers[number], workers[1 - number]
    taken = {*finished, *([other.line.subject] if other.line else [])}
    free = [line for line in problem.steps if line.subject not in taken and finished.issuperset(line.parents)]
    worker.line = free[-number] if free else None  # the one from the front, the other from the back
    worker.said, worker.done = style(worker.line) if worker.line else IDLE, 0
    text.branch((view(worker, other), 0.0), (worker.said + DELIMITER, 1.0))


def end(text: Text, worker: Worker, finished: set[str]) -> None:
    """What was written joins what both have finished, and frees its writer."""
    assert worker.line
    text.say(header(worker.name) + worker.said + DELIMITER)
    finished.add(worker.line.subject)
    worker.line = None
