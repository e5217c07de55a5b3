"""The working memory of a running batch: one dense row of keys and values for each sequence, and attention over it.

Rows are dense because a decoding step then reads them in place: gathering blocks of 16 tokens at every step made
attention two to three times as slow on a CPU at a batch of 64. A sequence pays one copy when it joins and one when it
leaves; what it shares with others is kept once, in the cache.
"""

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

_STRETCH: Final = 256  # the shortest row; a longer one doubles, so that rows seldom move


class Rows:
    """Keys and values [layers, 2, rows, kv_heads, S, hd], live rows first, in at most `most` tokens of memory.

    places [B, T]: where the tokens of the pass stand. span: how far its longest row reaches.
    """

    def __init__(
        self, layers: int, kv_heads: int, head_dim: int, device: torch.device, dtype: torch.dtype, most: int
    ) -> None:
        self.cells = torch.zeros(layers, 2, 0, kv_heads, 0, head_dim, device=device, dtype=dtype)
        self.most = most
        self.places = torch.empty(0, dtype=torch.long)
        self.span = 0
        self._first = self._count = 0
        self._fresh = self._ragged = False
        # where one query a row meets all its keys, two plain products beat torch's fused attention
        self._plain = device.type == "cpu" and dtype in (torch.float32, torch.float64)
        self._masks: dict[int | None, Tensor | None] = {}
        self.left: dict[int, list[int]] = {}  # tokens that still stand in rows of which nobody writes on
        self._flat: list[tuple[Tensor, Tensor]] = []
        self._slots = self._heads = self.places  # where the pass keeps its keys; where each row's heads begin

    @property
    def room(self) -> int:
        """The longest that rows can get without moving."""
        return self.cells.shape[4]

    @property
    def tokens(self) -> int:
        """How many tokens its memory is for."""
        return self.cells.shape[2] * self.cells.shape[4]

    def reserve(self, count: int, span: int) -> None:
        """Room for so many rows of so many tokens, and a spare row for padding; the caller sees that they fit."""
        layers, _, rows, kv_heads, length, head_dim = self.cells.shape
        if count < rows and span <= length:
            return
        wide = max(length, _STRETCH, 1 << (span - 1).bit_length())
        many = max(rows, (1 << (count - 1).bit_length()) + 1)
        if many * wide > self.most:  # no more rows than are needed, as long as they can be
            many = count + 1
            wide = min(wide, max(span, self.most // many))
            self.left.clear()
        # zeros and not empty: what no query may look at still enters its sums, times zero, and NaN would survive that
        cells = self.cells.new_zeros(layers, 2, many, kv_heads, wide, head_dim)
        kept_rows, kept = min(rows, many), min(length, wide)
        cells[:, :, :kept_rows, :, :kept] = self.cells[:, :, :kept_rows, :, :kept]
        self.cells = cells
        self._flat = [(keys.view(-1, head_dim), values.view(-1, head_dim)) for keys, values in cells]
        self._heads = torch.arange(many * kv_heads, device=cells.device).view(many, kv_heads) * wide

    def aim(self, first: int, starts: Sequence[int], sizes: Sequence[int]) -> None:
        """Say where the next pass reads: in rows from `first`, `sizes` tokens each from its own start.

        The pass is as wide as the largest; what pads the others is kept in the spare row.
        """
        width, count = max(sizes), len(starts)
        span = max(start + size for start, size in zip(starts, sizes, strict=True))
        device, self._first, self._count, self.span = self.cells.device, first, count, span
        self._fresh, self._ragged = max(starts) == 0, min(starts) != max(starts)
        self._masks = {}
        if width == 1:  # plain numbers are faster than many small tensor operations
            kv_heads, room = self.cells.shape[3], self.room
            every = range(kv_heads)
            slots = [(row * kv_heads + head) * room + at for row, at in enumerate(starts, first) for head in every]
            self.places, self._slots = torch.tensor(starts, device=device)[:, None], torch.tensor(slots, device=device)
            return
        steps = torch.arange(width, device=device)
        self.places = torch.tensor(starts, device=device)[:, None] + steps
        heads = self._heads[first : first + count, None]  # [B, 1, kv_heads]
        if min(sizes) < width:
            self.places.clamp_(max=span - 1)
            read = steps < torch.tensor(sizes, device=device)[:, None]
            heads = heads.where(read[:, :, None], self._heads[-1])
        self._slots = (heads + self.places[:, :, None]).flatten()  # [B T kv_heads]

    def advance(self) -> None:
        """The same rows, one token on; only after a pass of one token, and only while there is room."""
        self.places += 1
        self._slots += 1
        self.span += 1
        self._masks = {}

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, window: int | None = None) -> Tensor:
        """Keep new keys and values [B T, kv_heads, hd], and look at all: q [B T, heads, hd] -> [B T, heads hd].

        window: how far back a token looks, itself included; None for all the way.
        """
        kv_heads, head_dim = self.cells.shape[3], self.cells.shape[5]
        keys, values = self._flat[layer]
        keys.index_copy_(0, self._slots, k.reshape(-1, head_dim))
        values.index_copy_(0, self._slots, v.reshape(-1, head_dim))
        mask = self._mask(window if window is not None and window < self.span else None)
        if self._plain and self.places.shape[1] == 1:
            return self._one_each(layer, q.reshape(self._count * kv_heads, -1, head_dim), mask, scale)
        q = q.view(*self.places.shape, -1, head_dim).transpose(1, 2)  # [B, heads, T, hd]
        if self._fresh:
            k, v = (new.view(*self.places.shape, kv_heads, head_dim).transpose(1, 2) for new in (k, v))
        else:
            k, v = self.cells[layer, :, self._first : self._first + self._count, :, : self.span]
        grouped = q.shape[1] > kv_heads
        mixed = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None and self._fresh, scale=scale, enable_gqa=grouped
        )
        return mixed.transpose(1, 2).flatten(0, 1).flatten(1)

    def _one_each(self, layer: int, q: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        """q [B kv_heads, groups, hd]; queries that share keys are one product, so that nothing is repeated."""
        first, room = self._first * self.cells.shape[3], self.room
        keys, values = (
            side.view(-1, room, q.shape[2]).narrow(0, first, len(q)).narrow(1, 0, self.span)
            for side in self._flat[layer]
        )
        if mask is not None:
            scores = torch.baddbmm(mask, q, keys.transpose(1, 2), alpha=scale)  # [B kv_heads, groups, S]
        else:
            scores = torch.bmm(q if scale == 1.0 else q * scale, keys.transpose(1, 2))
        return torch.bmm(scores.softmax(-1), values).view(self._count, -1)

    def _mask(self, window: int | None) -> Tensor | None:
        """The mask of this pass, additive, made once for all layers; None where every row sees all."""
        if window not in self._masks:
            self._masks[window] = self._masked(window)
        return self._masks[window]

    def _masked(self, window: int | None) -> Tensor | None:
        count, width = self.places.shape
        if window is None and (self._fresh or (width == 1 and not self._ragged)):
            return None
        keys, places = torch.arange(self.span, device=self.cells.device), self.places[:, :, None]
        hidden = keys > places  # [B, T, S]
        if window is not None:
            hidden = hidden | (keys <= places - window)
        mask = hidden.to(self.cells.dtype).mul_(torch.finfo(self.cells.dtype).min / 2)  # finite, so that no row is NaN
        if not (self._plain and width == 1):
            return mask[:, None]
        return mask.expand(-1, self.cells.shape[3], -1).reshape(count * self.cells.shape[3], 1, -1)

    def load(self, row: int, ids: list[int], parts: list[Tensor]) -> None:
        """Fill a row from its beginning with what is held of these tokens, unless a call before left them there."""
        at = 0
        if self.left.pop(row, [])[: len(ids)] == ids:
            return
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
