"""Where in a text each of its tokens stands, asked of the tokenizer that wrote it: what a trace sets figures under.

A tokenizer is known by its key once an engine has opened it; that takes no part in writing. A character that several
tokens spell belongs to the last of them.
"""

import codecs
from collections.abc import Callable, Sequence
from typing import Final

from .base import Completion

Spelling = Callable[[int], bytes]
_known: Final[dict[str, Spelling]] = {}


def learn(tokenizer: str, spelling: Spelling) -> None:
    """Remember how a tokenizer spells each id."""
    _known[tokenizer] = spelling


def lengths(completion: Completion) -> list[int]:
    """Characters of each token; none where the tokenizer is unknown, or its tokens are not the text."""
    spelling = _known.get(completion.tokenizer)
    if spelling is None:
        return []
    read = codecs.getincrementaldecoder("utf-8")("replace")
    texts = [read.decode(spelling(token)) for token in completion.token_ids]
    return list(map(len, texts)) if "".join(texts) == completion.text else []


def figures(completion: Completion) -> dict[str, object]:
    """A completion token by token, for an event: lengths in characters, log-probabilities and entropies in nats."""
    sizes = lengths(completion)
    if not sizes:
        return {}
    told: dict[str, object] = {"lengths": sizes, "logprobs": _rounded(completion.logprobs, len(sizes))}
    if completion.entropies:
        told["entropies"] = _rounded(completion.entropies, len(sizes))
    return told


def _rounded(values: Sequence[float], most: int) -> list[float]:
    return [round(value, 2) + 0.0 for value in values[:most]]  # no -0.0
