"""Every other decoder: transformers' own modules, which leave attention and its memory to this engine.

Through transformers' attention interface a model hands over each layer's queries, keys and values, and gets back what
its queries take; it never sees a cache. Whether a decoder can be computed so (some have states of other kinds, or
attention with terms of its own) is found out when it is loaded: a few tokens are read piece by piece and held to the
model's own forward.
"""

import json
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from .head import Head
from .rows import Rows
from .weights import Weights

_NAME: Final = "headgate_rows"
_ASIDE: Final = {"sliding_window", "is_causal", "dropout", "output_attentions", "use_cache", "position_ids"}


class Foreign:
    """A decoder that transformers loads. Raises: ValueError where this engine would compute it wrongly."""

    _kind = "AutoModelForCausalLM"  # of transformers' classes

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self._model = _load(folder, dtype, self._kind).to(device)
        config = self._model.config.get_text_config()
        self.positions = int(config.max_position_embeddings)
        self.size = sum(weight.numel() for weight in self._model.parameters())
        probe = torch.arange(1, 14, device=device)[None] % config.vocab_size
        with torch.inference_mode():
            expected = self._whole(probe)
            self._model.set_attn_implementation(_NAME)
            self._tail = _Tail()
            self._body = self._model.base_model
            shapes = self._shapes(probe)
            if self._body is not self._model:
                setattr(self._model, self._model.base_model_prefix, self._tail)
            self.layers, (self.kv_heads, self.head_dim) = len(shapes), shapes[0]
            self._hold_to(expected, probe)

    def forward(self, ids: Tensor, rows: Rows) -> Tensor:
        """Read ids [B, T] at the places that `rows` aims at -> hidden [B, T, d]."""
        return self._read(ids, rows.places, rows)

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden [n, d] -> logits [n, V], by the model's own last steps."""
        self._tail.hidden = hidden[None]
        logits: Tensor = self._model(torch.zeros(1, len(hidden), dtype=torch.long, device=self.device)).logits[0]
        return logits if logits.dtype == torch.float64 else logits.float()

    def _whole(self, probe: Tensor) -> Tensor:
        """The logits [n, V] of a probe [1, n], by the model's own forward."""
        logits: Tensor = self._model(probe, use_cache=False).logits[0].float()
        return logits

    def _read(self, ids: Tensor, places: Tensor, memory: "Rows | _Shapes") -> Tensor:
        nothing = torch.zeros(1, 1, 1, 1, device=self.device)  # a mask that is there spares the model its own
        hidden: Tensor = self._body(
            input_ids=ids, position_ids=places, attention_mask=nothing, use_cache=False, headgate_memory=memory
        )[0]
        return hidden

    def _shapes(self, probe: Tensor) -> list[tuple[int, int]]:
        """Each layer's key heads and their size, which this engine keeps in one piece of memory."""
        seen: _Shapes = {}
        self._read(probe, torch.arange(probe.shape[1], device=self.device)[None], seen)
        if sorted(seen) != list(range(len(seen))) or len(set(seen.values())) != 1:
            raise ValueError(f"its layers keep keys of unlike or of no shape: {sorted(set(seen.values()))}")
        return [seen[layer] for layer in sorted(seen)]

    def _hold_to(self, expected: Tensor, probe: Tensor) -> None:
        rows = Rows(self.layers, self.kv_heads, self.head_dim, self.device, self.dtype, 1 << 20)
        rows.reserve(1, probe.shape[1])
        found, at = list[Tensor](), 0
        for size in (6, 4, 1, 1, 1):
            rows.aim(0, [at], [size])
            found.append(self.logits(self.forward(probe[:, at : at + size], rows)[0]))
            at += size
        worst = float((torch.cat(found) - expected).abs().max() / expected.abs().max().clamp(min=1e-6))
        if not worst < (1e-3 if self.dtype in (torch.float32, torch.float64) else 0.1):
            raise ValueError(f"read step by step its logits are off by {worst:.1%}: it keeps more than keys and values")


class ForeignRewards(Foreign):
    """The same with a reward head in place of the one that writes."""

    _kind = "AutoModel"

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        hidden = int(json.loads((folder / "config.json").read_text(encoding="utf-8"))["hidden_size"])
        self._head = Head.take(Weights(folder, 1, device, torch.float64), hidden, dtype)
        super().__init__(folder, device, dtype)

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden [n, d] -> the head's outputs [n, 1 or 2]."""
        return self._head(hidden)

    def _whole(self, probe: Tensor) -> Tensor:
        return self._head(self._model(probe, use_cache=False)[0][0]).float()


_Shapes = dict[int, tuple[int, int]]


class _Tail(nn.Module):
    """Stands in for a model's body where only what comes after it is asked for."""

    hidden: Tensor

    @property
    def decoder(self) -> "_Tail":
        """Some models ask a part of their body."""
        return self

    def forward(self, *_: object, **__: object) -> Any:
        from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=self.hidden)


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    headgate_memory: Rows | _Shapes | None = None,
    **terms: Any,
) -> tuple[Tensor, None]:
    """One layer's attention in transformers' form: [B, heads, T, hd] -> [B, T, heads, hd]."""
    more = sorted(name for name, term in terms.items() if term is not None and name not in _ASIDE)
    layer = getattr(module, "layer_idx", None)
    if more or headgate_memory is None or layer is None or key.shape != value.shape:
        raise ValueError(f"its attention has terms of its own: {', '.join(more) or type(module).__name__}")
    if isinstance(headgate_memory, dict):
        headgate_memory[layer] = (key.shape[1], key.shape[3])
        return query.transpose(1, 2), None
    q, k, v = (side.transpose(1, 2).flatten(0, 1) for side in (query, key, value))  # [B T, heads, hd]
    scale = query.shape[-1] ** -0.5 if scaling is None else float(scaling)
    mixed = headgate_memory.attend(layer, q, k, v, scale, terms.get("sliding_window"))
    return mixed.view(query.shape[0], query.shape[2], query.shape[1], -1), None


def _load(folder: Path, dtype: torch.dtype, kind: str) -> Any:
    with _quietly():
        import transformers

        transformers.AttentionInterface.register(_NAME, _attend)  # pyright: ignore[reportUnknownMemberType]
        loader: Any = getattr(transformers, kind)
        model = loader.from_pretrained(folder, dtype=dtype, attn_implementation="eager", trust_remote_code=False)
        model.eval()
    if not getattr(model, "_supports_attention_backend", False):
        raise ValueError(f"{type(model).__name__} computes its attention itself")
    _refuse(model.config.get_text_config().to_dict())
    return model


def _refuse(config: Mapping[str, Any]) -> None:
    kinds = set(config.get("layer_types") or ()) - {"full_attention", "sliding_attention"}
    if kinds or config.get("attention_chunk_size"):
        raise ValueError(f"its layers look back in ways of their own: {', '.join(sorted(kinds)) or 'chunks'}")


@contextmanager
def _quietly() -> Generator[None]:
    """Without progress bars and reports, which transformers turns on and off for the whole process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging as theirs

        logging: Any = theirs
        shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if shown:
                logging.enable_progress_bar()
