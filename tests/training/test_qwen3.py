"""The lean forward equals transformers' for every shape of head that Qwen3 comes in, and survives its folder."""

import json
from pathlib import Path

import pytest
import torch
from transformers import Qwen3Config as TheirConfig
from transformers import Qwen3ForCausalLM, Qwen3ForTokenClassification

from headgate.backends.local.qwen3 import Qwen3, Qwen3Config, causal

SHAPES = {
    "as many keys as queries, tied": {"num_attention_heads": 3, "num_key_value_heads": 3, "tie_word_embeddings": True},
    "grouped queries, untied": {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": False},
    "one key head": {"num_attention_heads": 4, "num_key_value_heads": 1, "tie_word_embeddings": True},
}


def their_model(shape: dict[str, object]) -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    sizes = {"vocab_size": 64, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "head_dim": 16}
    model = Qwen3ForCausalLM(TheirConfig(**sizes, **shape, rope_theta=50_000.0, max_position_embeddings=256))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
    return model.eval()


@torch.inference_mode()
def logits(model: Qwen3, ids: torch.Tensor) -> torch.Tensor:
    length = ids.shape[1]
    positions = torch.arange(length).expand(len(ids), -1)
    return model.logits(model(ids, positions, causal(length).expand(len(ids), -1, -1, -1)))


@pytest.mark.parametrize("name", SHAPES)
def test_logits_equal_those_of_transformers(name: str, tmp_path: Path) -> None:
    theirs = their_model(SHAPES[name])
    theirs.save_pretrained(tmp_path)
    ids = torch.randint(0, 64, (3, 33), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = theirs(ids).logits
    assert torch.allclose(logits(Qwen3.load(tmp_path), ids), expected, atol=1e-4)


@pytest.mark.parametrize("name", SHAPES)
def test_a_saved_model_is_loaded_by_transformers_as_it_is(name: str, tmp_path: Path) -> None:
    their_model(SHAPES[name]).save_pretrained(tmp_path / "theirs")
    ours = Qwen3.load(tmp_path / "theirs")
    ours.save(tmp_path / "ours")
    again = Qwen3ForCausalLM.from_pretrained(tmp_path / "ours")
    ids = torch.arange(20)[None]
    with torch.inference_mode():
        assert torch.allclose(again(ids).logits, logits(ours, ids), atol=1e-4)


def test_rope_theta_is_read_from_the_top_and_from_inside() -> None:
    sizes = {"vocab_size": 64, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
    old = Qwen3Config.from_dict({**sizes, **heads, "rope_theta": 7.0})
    new = Qwen3Config.from_dict({**sizes, **heads, "rope_parameters": {"rope_theta": 7.0, "rope_type": "default"}})
    assert old == new and old.rope_theta == 7.0


def test_a_config_comes_back_from_its_own_json(tiny: Qwen3Config) -> None:
    assert Qwen3Config.from_dict(json.loads(json.dumps(tiny.to_dict()))) == tiny


def test_a_model_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="llama"):
        Qwen3Config.from_dict({"model_type": "llama"})


def test_positions_and_mask_decide_what_is_read_and_not_the_place_in_the_row(tiny: Qwen3Config) -> None:
    torch.manual_seed(0)
    model, ids = Qwen3(tiny), torch.arange(10)[None]
    order = torch.tensor([7, 2, 9, 0, 4, 1, 8, 3, 6, 5])
    attend = causal(10)[:, :, order][:, :, :, order]
    with torch.inference_mode():
        plain = model(ids, torch.arange(10)[None], causal(10))
        mixed = model(ids[:, order], order[None], attend)
    assert torch.allclose(mixed, plain[:, order], atol=1e-5)


@pytest.mark.parametrize("labels", [1, 2, 3])
def test_a_classifier_of_tokens_reads_as_in_transformers_and_survives_its_folder(labels: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 64, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "head_dim": 16}
    more = {"num_attention_heads": 3, "num_key_value_heads": 1, "tie_word_embeddings": True, "num_labels": labels}
    theirs = Qwen3ForTokenClassification(TheirConfig(**sizes, **more)).eval()
    theirs.save_pretrained(tmp_path / "theirs")
    ours, ids = Qwen3.load(tmp_path / "theirs"), torch.arange(20)[None]
    assert ours.config.num_labels == labels
    with torch.inference_mode():
        assert torch.allclose(logits(ours, ids), theirs(ids).logits, atol=1e-5)
    ours.save(tmp_path / "ours")
    again = Qwen3ForTokenClassification.from_pretrained(tmp_path / "ours").eval()
    with torch.inference_mode():
        assert torch.allclose(again(ids).logits, theirs(ids).logits, atol=1e-5)
