"""The lean forward equals transformers', however its tokens come: at once, in pieces, beside rows of other lengths."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from headgate.backends.base import Context, Sampling
from headgate.backends.local.backend import LocalBackend
from headgate.backends.local.decoder import Lean
from headgate.backends.local.rows import Rows
from headgate.backends.local.shape import shape_of

from .conftest import VOCABULARY, furnish

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 256, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip
LINEAR = {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}
MODELS = {
    "llama": LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=4)),
    "llama, grouped, llama3 rope": LlamaForCausalLM(
        LlamaConfig(**SIZES, num_key_value_heads=2, head_dim=16, rope_parameters=LLAMA3)
    ),
    "llama, one key head, linear rope, tied": LlamaForCausalLM(
        LlamaConfig(**SIZES, num_key_value_heads=1, rope_parameters=LINEAR, tie_word_embeddings=True)
    ),
    "qwen3, grouped": Qwen3ForCausalLM(Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=16)),
}


@pytest.fixture(params=MODELS, scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("model")
    chance = torch.Generator().manual_seed(3)
    model = MODELS[request.param].eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.uniform_(0.5, 1.5, generator=chance)
            else:
                weight.normal_(std=0.2, generator=chance)
    model.save_pretrained(where)
    return furnish(where)


def lean(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[Lean, Rows]:
    shape = shape_of(json.loads((folder / "config.json").read_text()))
    assert shape is not None
    model = Lean(folder, shape, torch.device("cpu"), dtype)
    return model, Rows(model.layers, model.kv_heads, model.head_dim, model.device, model.dtype, 10_000)


def theirs(folder: Path, ids: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    with torch.inference_mode():
        return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)(ids).logits.float()  # type: ignore[no-any-return]


def ours(folder: Path, ids: Tensor, sizes: list[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """Logits of rows that are read in pieces of these sizes."""
    model, rows = lean(folder, dtype)
    found, at = list[Tensor](), 0
    with torch.inference_mode():
        rows.reserve(len(ids), ids.shape[1])
        for size in sizes:
            rows.aim(0, [at] * len(ids), [size] * len(ids))
            states = model.forward(ids[:, at : at + size], rows)
            found.append(model.logits(states.flatten(0, 1)).view(len(ids), size, -1))
            at += size
    return torch.cat(found, 1)


def some_ids(rows: int, length: int) -> Tensor:
    return torch.randint(3, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("sizes", [[34], [1] * 34, [14, 1, 12, 1, 6]], ids=["at once", "one by one", "in pieces"])
@pytest.mark.parametrize("rows", [1, 5, 20])
def test_logits_are_those_of_transformers(folder: Path, rows: int, sizes: list[int]) -> None:
    ids = some_ids(rows, 34)
    assert torch.allclose(ours(folder, ids, sizes), theirs(folder, ids), atol=2e-4)


def test_rows_of_unlike_lengths_do_not_see_each_others_tokens(folder: Path) -> None:
    ids, lengths = some_ids(3, 60), [41, 7, 23]
    model, rows = lean(folder)
    with torch.inference_mode():
        rows.reserve(3, 60)
        rows.aim(0, [0] * 3, lengths)
        padded = [row[:length].tolist() + [0] * (41 - length) for row, length in zip(ids, lengths, strict=True)]
        model.forward(torch.tensor(padded), rows)
        rows.aim(0, lengths, [1] * 3)
        for step in range(6):
            next_ids = torch.stack([row[length + step] for row, length in zip(ids, lengths, strict=True)])
            logits = model.logits(model.forward(next_ids[:, None], rows)[:, 0])
            if step < 5:
                rows.advance()
    expected = theirs(folder, ids)[[0, 1, 2], [length + 5 for length in lengths]]
    assert torch.allclose(logits, expected, atol=2e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("sizes", [[40], [30] + [1] * 10], ids=["at once", "one by one"])
def test_in_16_bits_it_is_no_further_from_the_truth_than_transformers(
    folder: Path, dtype: torch.dtype, sizes: list[int]
) -> None:
    ids = some_ids(4, 40)
    truth = theirs(folder, ids)
    near, far = ours(folder, ids, sizes, dtype) - truth, theirs(folder, ids, dtype) - truth
    assert near.square().mean() < 1.2 * far.square().mean()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_every_precision_writes(folder: Path, dtype: str) -> None:
    done = asyncio.run(LocalBackend(str(folder), dtype=dtype).generate(Context.ask("ab?"), Sampling(max_tokens=6)))[0]
    assert len(done.token_ids) <= 6
    assert all(logprob <= 0 for logprob in done.logprobs)


def test_what_it_would_not_compute_it_does_not_read(folder: Path) -> None:
    raw = json.loads((folder / "config.json").read_text())
    assert shape_of(raw) is not None
    for change in ({"attention_bias": True}, {"hidden_act": "gelu"}, {"rope_parameters": {"rope_type": "yarn"}}):
        assert shape_of(raw | change) is None


def test_the_lean_engine_does_without_transformers() -> None:
    code = """
import asyncio, sys
from headgate.backends.base import Context, Sampling
from headgate.backends.local.backend import LocalBackend
asyncio.run(LocalBackend("embedded/draft").generate(Context.ask("3 + 4?"), Sampling(max_tokens=3)))
print("transformers" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
