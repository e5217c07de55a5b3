"""The shapes of the two shipped models."""

from typing import Literal

from ..backends.local.qwen3 import Qwen3Config
from .tokenizer import ROWS, SPECIAL

Role = Literal["draft", "target"]


def shape(hidden: int, layers: int, heads: int, feed_forward: int) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=ROWS,
        hidden_size=hidden,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=32,
        eos_token_id=SPECIAL.index("<|im_end|>"),
        pad_token_id=SPECIAL.index("<|pad|>"),
    )


DRAFT = shape(96, 2, 3, 256)
TARGET = shape(192, 6, 6, 512)
OF: dict[Role, Qwen3Config] = {"draft": DRAFT, "target": TARGET}
