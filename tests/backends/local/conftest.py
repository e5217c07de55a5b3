"""Two small checkpoints to test an engine with: one random, and one that follows a table from token to token."""

import json
import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from headgate.backends.local.backend import LocalBackend
from headgate.backends.local.qwen3 import Qwen3, Qwen3Config

SPECIAL = ["<|pad|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
MERGES = [
    ("\n", "\n"),
    (".", "\n\n"),
    (".\n\n", "\n"),
    ("a", "b"),
    ("c", "d"),
    ("ab", "cd"),
    (" ", "7"),
    ("e", "f"),
]
WORDS = {"judge": "Rate.", "judge_prefill": "", "instruction": ""}
VOCABULARY = 320

Table = Mapping[str, str | list[str]]


class Follow(Protocol):
    def __call__(self, table: Table, path: str = "") -> LocalBackend: ...


def byte_level(text: str) -> str:
    """A text in the alphabet of byte-level vocabularies."""
    return "".join(
        piece for piece, _ in pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    )


def tokenizer() -> Tokenizer:
    """All bytes, a few pairs, and ChatML's control tokens first."""
    merges = [(byte_level(a), byte_level(b)) for a, b in MERGES]
    words = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), *(a + b for a, b in merges)]
    made = Tokenizer(BPE(vocab={word: i for i, word in enumerate(words)}, merges=merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(word, special=True) for word in SPECIAL])
    return made


def write(folder: Path, model: Qwen3) -> Path:
    model.save(folder)
    return furnish(folder)


def furnish(folder: Path) -> Path:
    """The tokenizer and the dialect beside a model."""
    tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "dialect.json").write_text(json.dumps(WORDS))
    return folder


def shape(**changes: object) -> Qwen3Config:
    raw: dict[str, object] = {
        "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256,
        "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    return Qwen3Config.from_dict(raw | changes)


@pytest.fixture(scope="session")
def random_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen3 with grouped heads and a context of 256."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = Qwen3(shape(tie_word_embeddings=False))
        torch.nn.init.normal_(model.lm_head.weight, std=0.5)
    return write(tmp_path_factory.mktemp("random"), model)


@pytest.fixture
def backend(random_folder: Path) -> Iterator[LocalBackend]:
    """The random model, with nothing cached."""
    made = LocalBackend(str(random_folder))
    yield made
    made._engine.close()


@pytest.fixture
def follow(tmp_path: Path) -> Follow:
    """A Qwen3 that writes what a table says: after a token its successor, or one of several; bytes along a path."""

    def build(table: Table, path: str = "") -> LocalBackend:
        model = Qwen3(shape(hidden_size=VOCABULARY, num_hidden_layers=1, tie_word_embeddings=False))
        steps = [(_id(a), _id(b)) for a, after in table.items() for b in ([after] if isinstance(after, str) else after)]
        signs = [_id(sign, raw=True) for sign in byte_level(path)]
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.fill_(1.0 if "norm" in name else 0.0)
            model.model.embed_tokens.weight.copy_(torch.eye(VOCABULARY))
            for before, after in [*steps, *pairwise(signs)]:
                model.lm_head.weight[after, before] = 40 / math.sqrt(VOCABULARY)
        return LocalBackend(str(write(tmp_path / "table", model)))

    return build


def _id(text: str, *, raw: bool = False) -> int:
    found = tokenizer().token_to_id(text if raw or text in SPECIAL else byte_level(text))
    assert found is not None, text
    return found
