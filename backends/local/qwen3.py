"""Qwen3 in plain torch: one small decoder for training and for inference, with Hugging Face's parameter names.

Source: Yang et al. 2025, "Qwen3 Technical Report", arXiv 2505.09388, section 2: RMSNorm before each part, RMSNorm of
every query and key head, rotary positions, grouped-query attention, SwiGLU, no biases.
Where we differ: nothing is cached here. Whoever decodes hands in a `KV`, which keeps keys and values as it likes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor, nn

MASKED = -1e9  # finite, so that a padding row that may look at nothing gives numbers and not NaN


Mix = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # queries, keys, values, mask -> what each query takes


class KV(Protocol):
    """Keys and values of what was read before; owned by the caller."""

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Take new keys and values [B, kv_heads, T, hd]; return all that may be looked at [B, kv_heads, S, hd]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Qwen3Config:
    """The shape of a Qwen3 model, under the names of its `config.json`.

    num_labels: of a token classifier's head; 0 for a language model.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = True
    max_position_embeddings: int = 2048
    eos_token_id: int | None = None
    pad_token_id: int | None = None
    num_labels: int = 0

    @classmethod
    def load(cls, folder: Path) -> "Qwen3Config":
        """Read `config.json`; `rope_theta` stands at its top in older files, inside `rope_parameters` in newer ones."""
        return cls.from_dict(json.loads((Path(folder) / "config.json").read_text()))

    @classmethod
    def from_dict(cls, raw: Mapping[str, object]) -> "Qwen3Config":
        """Keep the fields that are ours; Raises ValueError for a model of another kind."""
        if raw.get("model_type", "qwen3") != "qwen3":
            raise ValueError(f"model_type is {raw['model_type']!r}; this forward reads qwen3")
        rope = cast(Mapping[str, object], raw.get("rope_parameters") or {})
        known = {**rope, **raw, "head_dim": raw.get("head_dim") or _head_dim(raw), "num_labels": _labels(raw)}
        return cls(**{name: known[name] for name in cls.__dataclass_fields__ if name in known})  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, object]:
        """What `transformers` needs in `config.json` to load the weights as `Qwen3ForCausalLM`."""
        elsewhere = ("rope_theta", "num_labels")
        own = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in elsewhere}
        rope = {"rope_type": "default", "rope_theta": self.rope_theta}
        fixed = {
            "hidden_act": "silu",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": None,
        }
        architecture = "Qwen3ForTokenClassification" if self.num_labels else "Qwen3ForCausalLM"
        named = {"architectures": [architecture], "model_type": "qwen3", "dtype": "float32"}
        labels = {str(i): f"LABEL_{i}" for i in range(self.num_labels)}
        named_labels = {"id2label": labels, "label2id": {name: int(i) for i, name in labels.items()}} if labels else {}
        return {**named, **own, **fixed, **named_labels, "rope_parameters": rope, "use_cache": True}


def _head_dim(raw: Mapping[str, object]) -> int:
    return cast(int, raw["hidden_size"]) // cast(int, raw["num_attention_heads"])


def _labels(raw: Mapping[str, object]) -> int:
    """How many classes a token classifier tells apart; files leave out what is 2 by default."""
    names = cast(list[str], raw.get("architectures") or [])
    labels = cast(Mapping[str, str], raw.get("id2label") or {"0": "", "1": ""})
    return len(labels) if any(name.endswith("ForTokenClassification") for name in names) else 0


class RMSNorm(nn.Module):
    """Scaled to unit mean square, then by a learned weight."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def fused(q: Tensor, k: Tensor, v: Tensor, attend: Tensor) -> Tensor:
    """Attention as torch offers it; the training hands in another form of the same sum."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=attend)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions in the half-split form: x [B, heads, T, hd], cos and sin [B, 1, T, hd]."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


class Attention(nn.Module):
    """Grouped-query attention with normed heads and rotary positions."""

    def __init__(self, config: Qwen3Config, layer: int) -> None:
        super().__init__()
        self.layer, self.head_dim = layer, config.head_dim
        self.groups = config.num_attention_heads // config.num_key_value_heads
        wide, narrow = config.num_attention_heads * self.head_dim, config.num_key_value_heads * self.head_dim
        self.q_proj = nn.Linear(config.hidden_size, wide, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, narrow, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, narrow, bias=False)
        self.o_proj = nn.Linear(wide, config.hidden_size, bias=False)
        self.q_norm = RMSNorm(self.head_dim, config.rms_norm_eps)
        self.k_norm = RMSNorm(self.head_dim, config.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Tensor, kv: KV | None, mix: Mix) -> Tensor:
        q = rotate(self.q_norm(self.heads(self.q_proj(x))).transpose(1, 2), cos, sin)  # [B, heads, T, hd]
        k = rotate(self.k_norm(self.heads(self.k_proj(x))).transpose(1, 2), cos, sin)  # [B, kv_heads, T, hd]
        v = self.heads(self.v_proj(x)).transpose(1, 2)
        if kv is not None:
            k, v = kv.extend(self.layer, k, v)  # [B, kv_heads, S, hd]
        if self.groups > 1:
            k, v = k.repeat_interleave(self.groups, 1), v.repeat_interleave(self.groups, 1)
        mixed = mix(q, k, v, attend)  # [B, heads, T, hd]
        return cast(Tensor, self.o_proj(mixed.transpose(1, 2).flatten(2)))  # [B, T, d]

    def heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], -1, self.head_dim)  # [B, T, heads, hd]


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x)))


class Layer(nn.Module):
    """Attention and feed-forward, each normed before and added after."""

    def __init__(self, config: Qwen3Config, layer: int) -> None:
        super().__init__()
        self.self_attn = Attention(config, layer)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Tensor, kv: KV | None, mix: Mix) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, attend, kv, mix)
        return cast(Tensor, x + self.mlp(self.post_attention_layernorm(x)))


class Body(nn.Module):
    """Everything but the output head; a module of its own because the parameter names say so (`model.layers.0...`)."""

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, i) for i in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self, ids: Tensor, cos: Tensor, sin: Tensor, attend: Tensor, kv: KV | None = None, mix: Mix = fused
    ) -> Tensor:
        x = self.embed_tokens(ids)  # [B, T, d]
        for layer in self.layers:
            x = layer(x, cos, sin, attend, kv, mix)
        return cast(Tensor, self.norm(x))


class Qwen3(nn.Module):
    """A Qwen3 language model in fp32, or with `num_labels` one that classifies tokens."""

    frequencies: Tensor

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        self.config = config
        self.model = Body(config)
        if config.num_labels:
            self.score = nn.Linear(config.hidden_size, config.num_labels)
        elif not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
        self.register_buffer("frequencies", config.rope_theta**-exponents, persistent=False)

    def forward(self, ids: Tensor, positions: Tensor, attend: Tensor, kv: KV | None = None) -> Tensor:
        """ids, positions [B, T]; attend [B, 1, T, S], bool (true: may look) or additive -> hidden [B, T, d]."""
        cos, sin = self.turns(positions)
        return cast(Tensor, self.model(ids, cos, sin, additive(attend), kv))

    def turns(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        angles = positions[:, None, :, None].float() * self.frequencies  # [B, 1, T, hd/2]
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden [..., d] -> logits [..., vocabulary or labels]."""
        if self.config.num_labels:
            return cast(Tensor, self.score(hidden))
        head = self.model.embed_tokens if self.config.tie_word_embeddings else self.lm_head
        return F.linear(hidden, head.weight)

    @classmethod
    def load(cls, folder: Path) -> "Qwen3":
        """A checkpoint folder in Hugging Face form: `config.json` and one or more `.safetensors`."""
        model = cls(Qwen3Config.load(folder))
        weights = {
            name: t.float()
            for file in sorted(Path(folder).glob("*.safetensors"))
            for name, t in load_file(file).items()
        }
        if model.config.tie_word_embeddings:
            weights.pop("lm_head.weight", None)
        model.load_state_dict(weights)
        return model.eval()

    def save(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors`; `transformers` loads them as they are."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config.to_dict(), indent=2, sort_keys=True) + "\n")
        weights = {name: t.detach().float().contiguous() for name, t in self.state_dict().items()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def additive(attend: Tensor) -> Tensor:
    """A bool mask as one to add to the scores; made once here, not once per layer inside torch."""
    if attend.dtype is not torch.bool:
        return attend
    return torch.zeros(attend.shape).to(attend.device).masked_fill_(~attend, MASKED)


def causal(length: int) -> Tensor:
    """The mask of plain reading: [1, 1, T, T], true where a token may look."""
    return torch.ones(length, length, dtype=torch.bool).tril()[None, None]
