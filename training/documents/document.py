"""A training document: text of which some parts are to be learned, and branches that go on from its middle.

Source: packing several continuations of one text behind it, each seeing the text up to its own cut only, is tree
attention (Cai et al. 2024, "Medusa", arXiv 2401.10774, section 3.1.1), here in training: the text is read once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..tokenizer import Encoder

IGNORED = -1
Part = tuple[str, float]  # a text, and what predicting each of its tokens counts


@dataclass(slots=True)
class Text:
    """What is said, in order; a branch goes on after the first `cut` parts."""

    parts: list[Part] = field(default_factory=list)
    branches: list[tuple[int, tuple[Part, ...]]] = field(default_factory=list)

    def say(self, text: str) -> "Text":
        """Go on with what others say, which is read only."""
        self.parts.append((text, 0.0))
        return self

    def learn(self, text: str, weight: float = 1.0) -> "Text":
        """Go on with what the model is to say."""
        self.parts.append((text, weight))
        return self

    def branch(self, *parts: Part, at: int | None = None) -> None:
        """Beside what follows: `parts` behind the first `at` parts, behind all so far where it is None."""
        self.branches.append((len(self.parts) if at is None else at, parts))

    @property
    def learned(self) -> str:
        """All that the model is to say, branches left out."""
        return "".join(text for text, weight in self.parts if weight)

    def __str__(self) -> str:
        return "".join(text for text, _ in self.parts)


@dataclass(slots=True)
class Document:
    """Ids with, at each place, what should follow and how much that counts."""

    ids: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    trunk: int = 0  # where the document ends and the branches begin
    branches: list[tuple[int, int, int]] = field(default_factory=list)  # start, end, end of what it sees of the trunk

    @classmethod
    def of(cls, encoder: Encoder, text: Text) -> "Document":
        """The text in ids. Parts are encoded one by one: no token spans two of them."""
        made, cuts = cls(), [0]
        for part, weight in text.parts:
            made.add(encoder.encode(part), weight)
            cuts.append(len(made.ids))
        for at, parts in text.branches:
            made.branch(cuts[at], [(encoder.encode(part), weight) for part, weight in parts])
        return made

    def add(self, ids: Sequence[int], weight: float = 0.0) -> None:
        """Go on with the document; `weight` is what predicting these ids counts."""
        if self.ids and ids:
            self.targets[-1], self.weights[-1] = ids[0], weight
        self._append(ids, weight)
        self.trunk = len(self.ids)

    def branch(self, cut: int, parts: Iterable[tuple[Sequence[int], float]]) -> None:
        """A continuation of the first `cut` ids; its first id is never learned: the trunk's own goes there."""
        start = len(self.ids)
        for ids, weight in parts:
            if len(self.ids) > start and ids:
                self.targets[-1], self.weights[-1] = ids[0], weight
            self._append(ids, weight)
        self.positions[start:] = range(cut, cut + len(self.ids) - start)
        self.branches.append((start, len(self.ids), cut))

    def _append(self, ids: Sequence[int], weight: float) -> None:
        self.positions += range(len(self.ids), len(self.ids) + len(ids))
        self.ids += ids
        self.targets += [*ids[1:], IGNORED]
        self.weights += [weight] * (len(ids) - 1) + [0.0]
