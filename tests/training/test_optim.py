"""Muon's step is near-orthogonal, and the schedule is a function of the fraction done."""

import pytest
import torch

from headgate.backends.local.qwen3 import Qwen3, Qwen3Config
from headgate.training.optim import Muon, Optimizer, orthogonalise, schedule


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 96, 32), (2, 32, 96)])
def test_newton_schulz_brings_singular_values_near_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
    assert values.max() < 1.3
    assert values.min() > 0.3 and values.mean() > 0.7


def test_newton_schulz_keeps_the_singular_vectors() -> None:
    torch.manual_seed(0)
    g = torch.randn(1, 16, 48)
    u, _, v = torch.linalg.svd(g, full_matrices=False)
    between = u.mT @ orthogonalise(g) @ v.mT
    off = between - torch.diag_embed(between.diagonal(dim1=-2, dim2=-1))
    assert off.abs().max() < 0.05  # it computes in bf16


def test_a_muon_step_is_as_long_for_a_large_gradient_as_for_a_small_one() -> None:
    moved = []
    for size in (1e-3, 1e3):
        torch.manual_seed(0)
        matrix = torch.nn.Parameter(torch.zeros(8, 8))
        matrix.grad = torch.randn(8, 8) * size
        Muon([matrix], rate=0.1).step(1.0)
        moved.append(matrix.detach().clone())
    assert torch.allclose(moved[0], moved[1], atol=2e-3)


def test_matrices_go_to_muon_and_embedding_and_norms_to_adam(tiny: Qwen3Config) -> None:
    model = Qwen3(tiny)
    optimizer = Optimizer(model, 0.02, 0.004)
    matrices = sum(len(group) for group in optimizer.muon.groups.values())
    assert matrices == 7 * tiny.num_hidden_layers
    assert matrices + len(optimizer.rest) == len(list(model.parameters()))
    assert any(p is model.model.embed_tokens.weight for p in optimizer.rest)


def test_the_rate_is_constant_then_falls_straight_to_the_floor() -> None:
    def at(fraction: float) -> float:
        return schedule(fraction, 1000, constant=0.6, floor=0.1)

    assert at(0.0) == at(0.6) == 1.0
    assert at(0.8) == pytest.approx(0.55)
    assert at(1.0) == pytest.approx(0.1)


def test_the_first_steps_warm_up() -> None:
    rates = [schedule(0.0, step, constant=0.6, floor=0.0, warmup=10) for step in range(12)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[11] == 1.0
    assert rates == sorted(rates)
