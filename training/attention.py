"""Attention for documents with branches, computed block by block: no branch is ever multiplied with another.

A batch is laid out as a trunk of one length and then M branches of one length each, all padded. Trunk tokens look back
at the trunk; branch tokens look at the trunk up to their cut and back at their own branch. The result is the same as
with one large mask; the work is about half. Written as products and a softmax: where the CPU multiplies in bf16 this
has a much faster backward pass than torch's fused form.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Blocks(NamedTuple):
    """Additive masks; `far` and `near` are None in a batch without branches."""

    trunk: Tensor  # [B, 1, L, L]
    far: Tensor | None = None  # [B, 1, M * l, L], from branches to the trunk
    near: Tensor | None = None  # [B, 1, M, l, l], within a branch


def mix(q: Tensor, k: Tensor, v: Tensor, attend: Blocks) -> Tensor:
    """q, k, v [B, heads, L + M * l, hd] -> the same shape."""
    size, rest = attend.trunk.shape[-1], q.shape[2] - attend.trunk.shape[-1]
    q = q * k.shape[-1] ** -0.5
    if attend.far is None or attend.near is None:
        return (q @ k.mT + attend.trunk).softmax(-1) @ v.float()
    (q, own_q), (k, own_k), (v, own_v) = (x.split((size, rest), dim=2) for x in (q, k, v.float()))  # type: ignore[no-untyped-call]
    first = (q @ k.mT + attend.trunk).softmax(-1) @ v
    branches = attend.near.shape[2:4]  # M, l
    far = own_q @ k.mT + attend.far  # [B, heads, M * l, L]
    near = own_q.unflatten(2, branches) @ own_k.unflatten(2, branches).mT + attend.near  # [B, heads, M, l, l]
    to_trunk, to_own = torch.cat((far, near.flatten(2, 3)), dim=-1).softmax(-1).split((size, branches[1]), dim=-1)  # type: ignore[no-untyped-call]
    from_own = to_own.unflatten(2, branches) @ own_v.unflatten(2, branches)
    return torch.cat((first, to_trunk @ v + from_own.flatten(2, 3)), dim=2)
