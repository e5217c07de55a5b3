"""Small random process reward models of each public form, in transformers' files, and what transformers computes."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from headgate.backends.local.qwen3 import Qwen3

from .local.conftest import VOCABULARY, furnish, shape, tokenizer

HIDDEN = 64  # with two heads as large as vLLM asks for on a CPU
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 512,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.2,
}  # fmt: skip
Numbers = Callable[[Tensor], Tensor]  # ids [n] -> what the head says at each [n, 1 or 2]


def classifier(folder: Path) -> Numbers:
    """headgate's own: a Qwen3 under a head of two classes, which transformers loads as it is."""
    model = Qwen3(shape(head_dim=32, max_position_embeddings=512, architectures=["Qwen3ForTokenClassification"]))
    nn.init.normal_(model.score.weight, std=0.1)
    nn.init.normal_(model.score.bias, std=0.3)
    model.save(folder)
    furnish(folder)
    return as_transformers_reads(folder, "AutoModelForTokenClassification")


def public_classifier(folder: Path) -> Numbers:
    """A Qwen2 token classifier, as trl's trainer of process rewards leaves one."""
    from transformers import Qwen2Config, Qwen2ForTokenClassification

    model = Qwen2ForTokenClassification(Qwen2Config(**SIZES))
    nn.init.normal_(model.score.weight, std=0.1)
    model.save_pretrained(folder)
    furnish(folder)
    return as_transformers_reads(folder, "AutoModelForTokenClassification")


def two_maps(folder: Path) -> Numbers:
    """Qwen2.5-Math-PRM's: two maps with a ReLU between, under an architecture that is not transformers' own."""
    head = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2))
    nn.init.normal_(head[2].weight, std=0.1)
    tensors = {f"score.{name}": tensor for name, tensor in head.state_dict().items()}
    _trunk(folder, "Qwen2ForProcessRewardModel", tensors)
    return _on_trunk(folder, head)


def value_head(folder: Path) -> Numbers:
    """Skywork-o1-Open-PRM's: one value a token."""
    head = nn.Linear(HIDDEN, 1)
    nn.init.normal_(head.weight, std=0.1)
    tensors = {f"v_head.summary.{name}": tensor for name, tensor in head.state_dict().items()}
    _trunk(folder, "Qwen2ForPrmModel", tensors)
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": {"content": "<|im_start|>"}}))
    return _on_trunk(folder, head)


MADE: Mapping[str, Callable[[Path], Numbers]] = {
    "classifier": classifier,
    "public_classifier": public_classifier,
    "two_maps": two_maps,
    "value_head": value_head,
}


def as_transformers_reads(folder: Path, kind: str) -> Numbers:
    import transformers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(transformers, kind).from_pretrained(folder, dtype=torch.float32).eval()
    return lambda ids: model(ids[None])[0][0]  # type: ignore[no-any-return]


def _trunk(folder: Path, architecture: str, head: Mapping[str, Tensor]) -> None:
    """A Qwen2 that writes, and what the published file has in addition."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    Qwen2ForCausalLM(Qwen2Config(**SIZES)).save_pretrained(folder)
    file, config = folder / "model.safetensors", folder / "config.json"
    save_file({**load_file(file), **head}, file, metadata={"format": "pt"})
    config.write_text(json.dumps(json.loads(config.read_text()) | {"architectures": [architecture]}))
    furnish(folder)
    words = tokenizer()
    words.add_special_tokens(["<extra_0>"])
    words.save(str(folder / "tokenizer.json"))


def _on_trunk(folder: Path, head: nn.Module) -> Numbers:
    trunk = as_transformers_reads(folder, "AutoModel")
    return lambda ids: head(trunk(ids))  # type: ignore[no-any-return]
