"""Many texts continued, read or rated at once, with a dense cache; and the draft's own steps, labelled by the checker.

Rows are padded on the left, so that all of them write their next token in the same column.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from ..backends.local.qwen3 import Qwen3, causal
from ..tasks.word_problems import STANDARD, Mix, Verdict, WordProblem, judge_step, problems
from .curriculum import TILTED
from .documents.rating import RATINGS, Own
from .formats import CLOSE, DELIMITER, asking
from .tokenizer import Encoder

STEP_LIMIT, ANSWER_LIMIT = 64, 360


class DenseKV:
    """Keys and values of a whole batch in one block per layer, written column by column."""

    def __init__(self, layers: int) -> None:
        self.keys: list[Tensor | None] = [None] * layers
        self.values: list[Tensor | None] = [None] * layers
        self.used = 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        end = self.used + k.shape[2]
        keys, values = self.room(layer, k, v, end)
        keys[:, :, self.used : end], values[:, :, self.used : end] = k, v
        return keys[:, :, :end], values[:, :, :end]

    def room(self, layer: int, k: Tensor, v: Tensor, end: int) -> tuple[Tensor, Tensor]:
        """The layer's blocks, grown by 64 columns at a time."""
        keys, values = self.keys[layer], self.values[layer]
        if keys is None or values is None or keys.shape[2] < end:
            rows, heads, _, size = k.shape
            more = torch.zeros(rows, heads, end + 64 - (0 if keys is None else keys.shape[2]), size)
            keys = more if keys is None else torch.cat((keys, more), dim=2)
            values = torch.zeros_like(more) if values is None else torch.cat((values, more), dim=2)
            self.keys[layer], self.values[layer] = keys, values
        return keys, values

    def keep(self, rows: Tensor) -> None:
        self.keys = [None if x is None else x[rows] for x in self.keys]
        self.values = [None if x is None else x[rows] for x in self.values]


@dataclass(slots=True)
class Written:
    """What a model added to a text, with each token's natural log-probability and the entropy, in nats, before it."""

    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)


def in_batches(texts: Sequence[list[int]], rows: int) -> Iterator[list[int]]:
    """Indices of texts of like length, `rows` at a time."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), rows):
        yield order[start : start + rows]


def padded_left(texts: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """ids [B, T] and how many places of each row are padding [B]."""
    length = max(map(len, texts))
    pads = torch.tensor([length - len(text) for text in texts])
    return torch.tensor([[0] * (length - len(text)) + text for text in texts]), pads


@torch.inference_mode()
def write(
    model: Qwen3,
    texts: Sequence[list[int]],
    *,
    stop: Collection[int],
    limit: int,
    temperature: float = 0.0,
    seed: int = 0,
    rows: int = 128,
) -> list[Written]:
    """Continue every text to a token of `stop`, which is kept, or to `limit` tokens; greedy at temperature 0."""
    written = [Written() for _ in texts]
    generator = torch.Generator().manual_seed(seed)
    for indices in in_batches(texts, rows):
        chosen = [texts[i] for i in indices]
        _continue(model, chosen, [written[i] for i in indices], stop, limit, temperature, generator)
    return written


def _continue(
    model: Qwen3,
    texts: list[list[int]],
    written: list[Written],
    stop: Collection[int],
    limit: int,
    temperature: float,
    generator: torch.Generator,
) -> None:
    kv = DenseKV(model.config.num_hidden_layers)
    ids, pads = padded_left(texts)
    alive = list(written)
    for _ in range(limit):
        logits = step(model, kv, ids, pads)
        chosen = choose(logits, temperature, generator)
        record(alive, logits, chosen)
        rows = torch.tensor([i for i, token in enumerate(chosen.tolist()) if token not in stop], dtype=torch.long)
        if not len(rows):
            return
        if len(rows) < len(alive):
            kv.keep(rows)
            alive, pads, chosen = [alive[i] for i in rows.tolist()], pads[rows], chosen[rows]
        ids = chosen[:, None]


def step(model: Qwen3, kv: DenseKV, ids: Tensor, pads: Tensor) -> Tensor:
    """Read ids [B, T] behind what the cache holds; logits of what follows [B, vocabulary]."""
    columns = torch.arange(kv.used, kv.used + ids.shape[1])  # [T]
    positions = (columns - pads[:, None]).clamp(min=0)  # [B, T]
    seen = torch.arange(kv.used + ids.shape[1])  # [S]
    attend = (seen <= columns[:, None]) & (seen >= pads[:, None, None])  # [B, T, S]
    hidden = model(ids, positions, attend[:, None], kv)
    kv.used += ids.shape[1]
    return model.logits(hidden[:, -1])


def choose(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    if temperature <= 0:
        return logits.argmax(-1)
    shares = (logits / temperature).softmax(-1)
    return torch.multinomial(shares, 1, generator=generator)[:, 0]


def record(alive: Sequence[Written], logits: Tensor, chosen: Tensor) -> None:
    logprobs = logits.log_softmax(-1)  # [B, vocabulary]
    entropies = (-(logprobs.exp() * logprobs).sum(-1)).tolist()
    taken = logprobs.gather(1, chosen[:, None])[:, 0].tolist()
    for row, token, logprob, entropy in zip(alive, chosen.tolist(), taken, entropies, strict=True):
        row.ids.append(token)
        row.logprobs.append(logprob)
        row.entropies.append(entropy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What a judge says of one step: its digits' shares, and its log-probability of the step's least likely token."""

    digits: tuple[float, ...]
    least_logprob: float

    @property
    def expected(self) -> float:
        return sum(value * share for value, share in enumerate(self.digits))

    @property
    def likeliest(self) -> int:
        return max(range(10), key=self.digits.__getitem__)


@torch.inference_mode()
def rate(
    judge: Qwen3, request: list[int], digits: list[int], pairs: Sequence[tuple[list[int], list[int]]]
) -> list[Rating]:
    """Rate every step behind its prefix: one pass over prefix, step and request, nothing decoded."""
    ratings: dict[int, Rating] = {}
    texts = [[*before, *step_ids, *request] for before, step_ids in pairs]
    for indices in in_batches(texts, 48):
        ids, positions, attend = padded_right([texts[i] for i in indices])
        hidden = judge(ids, positions, attend)
        for row, i in enumerate(indices):
            start, end = len(pairs[i][0]), len(pairs[i][0]) + len(pairs[i][1])
            shares = judge.logits(hidden[row, len(texts[i]) - 1])[digits].softmax(-1).tolist()
            own = judge.logits(hidden[row, start - 1 : end - 1]).log_softmax(-1)
            least = own.gather(1, torch.tensor(pairs[i][1])[:, None]).min()
            ratings[i] = Rating(digits=tuple(shares), least_logprob=float(least))
    return [ratings[i] for i in range(len(pairs))]


def padded_right(texts: Sequence[list[int]]) -> tuple[Tensor, Tensor, Tensor]:
    length = max(map(len, texts))
    ids = torch.tensor([text + [0] * (length - len(text)) for text in texts])
    return ids, torch.arange(length).expand(len(texts), -1), causal(length).expand(len(texts), -1, -1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnStep:
    """One step that a model wrote behind right steps only."""

    problem: WordProblem
    k: int
    prefix: list[int]
    written: Written
    verdict: Verdict

    @property
    def wrong(self) -> bool:
        return self.verdict in (Verdict.SLIP, Verdict.WRONG)

    @property
    def operation(self) -> str:
        return self.problem.steps[self.k].operation if self.k < len(self.problem.steps) else "close"


def own_steps(
    model: Qwen3, encoder: Encoder, asked: Sequence[WordProblem], *, temperature: float = 0.0, seed: int = 0
) -> list[OwnStep]:
    """Let the model write every step of every problem, and the end of its thinking, behind the right steps before."""
    places = [(problem, k) for problem in asked for k in range(len(problem.steps) + 1)]
    prefixes = [encoder.encode(prefix(problem, k)) for problem, k in places]
    stop = (encoder.one("<|im_end|>"), encoder.one(DELIMITER))
    texts = write(model, prefixes, stop=stop, limit=STEP_LIMIT, temperature=temperature, seed=seed, rows=256)
    found = zip(places, prefixes, texts, strict=True)
    return [
        OwnStep(problem=p, k=k, prefix=before, written=text, verdict=verdict(p, k, encoder.decode(text.ids)))
        for (p, k), before, text in found
    ]


def prefix(problem: WordProblem, k: int) -> str:
    return asking(problem.question) + "".join(line.text + DELIMITER for line in problem.steps[:k])


def verdict(problem: WordProblem, k: int, text: str) -> Verdict:
    """The checker's word on step k; to end the thinking is right exactly when nothing is left to do."""
    if text.startswith(CLOSE.strip()):
        return Verdict.RIGHT if k == len(problem.steps) else Verdict.WRONG
    return judge_step(problem, text, {line.subject for line in problem.steps[:k]})


def label(
    model: Qwen3,
    encoder: Encoder,
    asked: Sequence[WordProblem],
    seed: int,
    temperatures: Sequence[float] = (0.0, 0.9),
) -> list[Own]:
    """For each problem: by step, what the model wrote there and the rating that it deserves."""
    index = {problem.question: i for i, problem in enumerate(asked)}
    labelled: list[Own] = [{} for _ in asked]
    for temperature in temperatures:
        for own in own_steps(model, encoder, asked, temperature=temperature, seed=seed):
            of = labelled[index[own.problem.question]].setdefault(own.k, [])
            text = encoder.decode(own.written.ids)
            if encoder.encode(text) == own.written.ids:  # else a half character, or a spelling of tokens never met
                of.append((text, RATINGS[own.verdict]))
    return labelled


def practice(count: int, seed: int) -> list[WordProblem]:
    """Training problems for the draft to err on: standard, with more of the operations it gets wrong, shuffled."""
    mixes = (STANDARD, Mix(operations=TILTED), Mix(operations=TILTED, shuffled=1.0))
    share = -(-count // len(mixes))
    drawn = (problems(share, seed + i, split="training", mix=mix) for i, mix in enumerate(mixes))
    return list(chain.from_iterable(drawn))[:count]


def save_labels(labels: Sequence[Own], path: Path) -> None:
    aside = path.with_suffix(".part")
    aside.write_text(json.dumps(labels))
    aside.replace(path)


def load_labels(path: Path) -> list[Own]:
    labels = json.loads(path.read_text())
    return [{int(k): [(text, rating) for text, rating in own] for k, own in of.items()} for of in labels]
