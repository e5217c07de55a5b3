"""The working memory of a running batch: one dense row of keys and values for each sequence.

Rows are dense because a decoding step then reads them in place: gathering scattered slots at every step took five
times as long on a CPU at a batch of 64. A sequence pays one copy when it joins and one when it leaves.
"""

import torch
from torch import Tensor

from .qwen3 import Qwen3Config

_STRETCH = 256  # the shortest row; a longer one doubles, so that rows seldom move


class Rows:
    """Keys and values [layers, 2, rows, kv_heads, S, hd], live rows first; the `KV` of the model's forward."""

    def __init__(self, config: Qwen3Config, device: torch.device, dtype: torch.dtype) -> None:
        shape = (config.num_hidden_layers, 2, 0, config.num_key_value_heads, 0, config.head_dim)
        self.cells = torch.zeros(shape, device=device, dtype=dtype)
        self._first, self._count, self._span, self._start = 0, 0, 0, 0
        self._rows = self._at = torch.empty(0)

    def reserve(self, count: int, span: int) -> None:
        """Room for so many rows of so many tokens."""
        _, _, rows, _, length, _ = self.cells.shape
        if count <= rows and span <= length:
            return
        shape = list(self.cells.shape)
        shape[2] = max(rows, 1 << (count - 1).bit_length())
        shape[4] = max(length, _STRETCH, 1 << (span - 1).bit_length())
        # zeros and not empty: what no query may look at still enters its sums, times zero, and NaN would survive that
        cells = self.cells.new_zeros(shape)
        cells[:, :, :rows, :, :length] = self.cells
        self.cells = cells

    def aim(self, first: int, starts: list[int], positions: Tensor) -> None:
        """Where the next forward's keys go: rows from `first`, at these positions [B, T]."""
        count, width = positions.shape
        self._first, self._count, self._span = first, count, max(starts) + width
        self._start = starts[0] if min(starts) == max(starts) else -1
        if self._start < 0:
            self._rows, self._at = torch.arange(count, device=positions.device)[:, None], positions

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write [B, kv_heads, T, hd] and return all that these rows hold, [B, kv_heads, S, hd]."""
        keys, values = self.cells[layer, :, self._first : self._first + self._count]
        if self._start >= 0:  # all at one place, as a batch of one is: a plain copy
            keys[:, :, self._start : self._span] = k
            values[:, :, self._start : self._span] = v
        else:
            keys[self._rows, :, self._at] = k.transpose(1, 2)
            values[self._rows, :, self._at] = v.transpose(1, 2)
        return keys[:, :, : self._span], values[:, :, : self._span]

    def load(self, row: int, parts: list[Tensor]) -> None:
        """Fill a row from its beginning."""
        at = 0
        for part in parts:
            size = part.shape[3]
            self.cells[:, :, row, :, at : at + size] = part
            at += size

    def row(self, row: int) -> Tensor:
        """One sequence's keys and values [layers, 2, kv_heads, S, hd]."""
        return self.cells[:, :, row]

    def move(self, source: int, target: int, length: int) -> None:
        """Fill a hole with another row's first `length` tokens."""
        self.cells[:, :, target, :, :length] = self.cells[:, :, source, :, :length]
