"""Decoders that transformers computes, on this engine's memory: the same tokens as `generate`, many at once."""

import asyncio
import random
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from headgate.backends.base import Completion, Context, Sampling
from headgate.backends.errors import NotAModel
from headgate.backends.local.backend import LocalBackend
from headgate.backends.local.foreign import Foreign

from .conftest import VOCABULARY, furnish

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "head_dim": 8,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
GPT2 = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "eos_token_id": 2}
DECODERS: dict[str, dict[str, Any]] = {
    "gpt2": GPT2,
    "mistral": SIZES | {"sliding_window": 20},
    "qwen2": SIZES,
    "phi": SIZES,
    "gemma3_text": SIZES | {"sliding_window": 12},
    "granite": SIZES | {"logits_scaling": 3.0},
}
REFUSED: dict[str, dict[str, Any]] = {
    "gemma2": SIZES,  # caps its scores
    "mamba": {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2},  # has no keys at all
}


def made(kind: str, config: dict[str, Any], where: Path) -> Path:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **config)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    model.save_pretrained(where)
    return furnish(where)


def questions() -> list[Context]:
    pick = random.Random(4)
    return [Context.ask("".join(pick.choices("abcdef 7.\n", k=pick.randint(1, 90)))) for _ in range(12)]


@pytest.fixture(params=DECODERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return made(request.param, DECODERS[request.param], tmp_path)


def test_the_tokens_are_those_of_generate(folder: Path) -> None:
    backend = LocalBackend(str(folder))
    assert isinstance(backend._engine.model, Foreign)

    async def ask() -> list[list[Completion]]:
        return await asyncio.gather(*(backend.generate(one, Sampling(max_tokens=30)) for one in questions()))

    model = AutoModelForCausalLM.from_pretrained(folder)
    for question, (done,) in zip(questions(), asyncio.run(ask()), strict=True):
        ids = torch.tensor([backend._tokens.prompt(backend.dialect, question)])
        written = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=30, do_sample=False)
        expected = written[0, ids.shape[1] :].tolist()
        assert list(done.token_ids) == expected[: len(done.token_ids)]
        assert len(done.token_ids) == 30 or done.stop == "eos" or "</think>" in backend.dialect.think_end


def test_figures_are_those_of_the_models_own_forward(folder: Path) -> None:
    backend = LocalBackend(str(folder))
    asked = Context.ask("How many are 3 and 4?" * 3)
    done = asyncio.run(backend.generate(asked, Sampling(max_tokens=20, entropies=True)))[0]
    prompt = backend._tokens.prompt(backend.dialect, asked)
    with torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(folder)(torch.tensor([[*prompt, *done.token_ids]])).logits[0]
    logs = logits[len(prompt) - 1 : len(prompt) - 1 + len(done.token_ids)].float().log_softmax(-1)
    assert done.logprobs == pytest.approx(
        logs.gather(1, torch.tensor(done.token_ids)[:, None])[:, 0].tolist(), abs=1e-4
    )
    written = len(done.token_ids)
    assert done.entropies and done.entropies[:written] == pytest.approx(
        (-(logs.exp() * logs).sum(-1)).tolist(), abs=1e-4
    )


@pytest.mark.parametrize("kind", REFUSED)
def test_a_decoder_that_would_be_computed_wrongly_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(NotAModel, match=r"attention"):
        LocalBackend(str(made(kind, REFUSED[kind], tmp_path)))
