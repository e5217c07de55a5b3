"""Models that score steps: a trunk is trained to write one of two tokens at a step's end, whose rows become its head.

A head of its own would be learned from nothing; two rows of the embedding that no solution uses are as good, and the
trunk is trained, kept and resumed like any language model.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from ..backends.checkpoint import Checkpoint
from ..backends.dialect import RewardForm
from ..backends.local.qwen3 import Qwen3, Qwen3Config
from ..backends.reward import Solutions, form_of
from ..backends.tokens import Tokens
from .documents.labelled import LABELS
from .rollout import in_batches, padded_right

Weights = dict[str, Tensor]


def rows(tokens: Tokens) -> list[int]:
    """The ids of the two labels, no and yes. Raises: ValueError for a tokenizer that lacks them."""
    found = [tokens.frame(label) for label in LABELS]
    if any(len(ids) != 1 for ids in found):
        raise ValueError(f"its tokenizer has no tokens {' and '.join(LABELS)}")
    return [ids[0] for ids in found]


def form(checkpoint: Checkpoint) -> RewardForm:
    """How it reads steps: as the reward model it is, else a problem, a line feed, and each step and a blank line."""
    dialect = checkpoint.dialect()
    return form_of(checkpoint.config, dialect.reward) or RewardForm(think_end=dialect.think_end)


def solutions(checkpoint: Checkpoint) -> Solutions:
    """What turns contexts into its ids."""
    return Solutions(checkpoint.tokens, form(checkpoint))


def trunk(checkpoint: Checkpoint) -> tuple[Qwen3Config, Weights]:
    """A Qwen3 to go on from, a scorer or a language model: its shape, and its weights with a head's rows put back."""
    model = Qwen3.load(checkpoint.folder)
    state: Weights = model.state_dict()
    heads = {name: state.pop(name) for name in list(state) if not name.startswith("model.")}
    if "score.weight" in heads:
        state["model.embed_tokens.weight"][rows(checkpoint.tokens)] = heads["score.weight"]
    return replace(model.config, num_labels=0, tie_word_embeddings=True), state


def with_head(config: Qwen3Config, state: Weights, labels: Sequence[int]) -> Qwen3:
    """The trained trunk under a head of the labels' rows."""
    scorer = Qwen3(replace(config, num_labels=len(labels)))
    head = state["model.embed_tokens.weight"][list(labels)]  # [2, d]
    scorer.load_state_dict({**state, "score.weight": head, "score.bias": torch.zeros(len(head))})
    return scorer.eval()


@torch.inference_mode()
def chances(scorer: Qwen3, texts: Sequence[list[int]], batch: int = 128) -> list[float]:
    """The probability of yes at the last token of each text."""
    values = [0.0] * len(texts)
    for indices in in_batches(texts, batch):
        chosen = [texts[i] for i in indices]
        hidden = scorer(*padded_right(chosen))
        last = hidden[torch.arange(len(chosen)), torch.tensor([len(text) - 1 for text in chosen])]  # [n, d]
        for i, value in zip(indices, scorer.logits(last).softmax(-1)[:, 1].tolist(), strict=True):
            values[i] = value
    return values


def publish(scorer: Qwen3, source: Checkpoint, folder: Path) -> None:
    """A folder that every engine loads: the scorer, beside the tokenizer that it was trained with and how it reads."""
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    scorer.save(aside)
    for file in source.folder.iterdir():
        if file.suffix in (".json", ".jinja") and not file.name.endswith(".index.json") and file.name != "config.json":
            shutil.copyfile(file, aside / file.name)
    dialect = source.folder / "dialect.json"
    said = json.loads(dialect.read_text(encoding="utf-8")) if dialect.is_file() else {}
    (aside / "dialect.json").write_text(json.dumps({**said, "reward": asdict(form(source))}, indent=2) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(aside.iterdir()):
        file.chmod(0o644)
        file.replace(folder / file.name)
    aside.rmdir()
