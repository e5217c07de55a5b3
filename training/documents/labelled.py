"""Solutions whose steps are labelled right or wrong, as a process reward model reads them.

The right solution is the trunk; what else was written at its steps stands in branches, behind the right steps only.
What is learned at a step's end is one of two tokens that no solution contains: their two rows of the embedding are then
the two rows of the head. Within the right steps the words themselves are learned, which teaches the sums.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from ..formats import DELIMITER
from ..tokenizer import Encoder
from .document import Document

LABELS: Final = ("<|im_start|>", "<|im_end|>")  # wrong, right
WEIGHT: Final = 2.0  # of a label, where a word counts 1
Branch = tuple[int, str, bool]  # a text in place of step k, and whether it is right


def labelled(encoder: Encoder, question: str, steps: Sequence[str], branches: Iterable[Branch] = ()) -> Document:
    """A right solution and what was written beside it."""
    made, marks = Document(), list[tuple[int, bool]]()
    made.add(opening(encoder, question))
    cuts = [len(made.ids)]
    for step in steps:
        made.add(closed(encoder, step), 1.0)
        cuts.append(len(made.ids))
        marks.append((len(made.ids) - 1, True))
    for k, text, right in branches:
        made.branch(cuts[k], [(closed(encoder, text), 0.0)])
        marks.append((len(made.ids) - 1, right))
    for at, right in marks:
        made.targets[at], made.weights[at] = encoder.one(LABELS[right]), WEIGHT
    return made


def opening(encoder: Encoder, question: str) -> list[int]:
    """What stands before the first step."""
    return encoder.encode(f"{question}\n")


def closed(encoder: Encoder, step: str) -> list[int]:
    """A step and the separator behind it, at which its reward is read."""
    return [*encoder.encode(step.strip()), encoder.one(DELIMITER)]
