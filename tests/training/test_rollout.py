"""Batched decoding equals plain decoding; own steps carry the checker's verdict; statistics equal their definitions."""

import random
from pathlib import Path

import pytest
import torch

from headgate.backends.local.qwen3 import Qwen3, Qwen3Config, causal
from headgate.orchestrator.intervals import wilson
from headgate.tasks.word_problems import Verdict, problems
from headgate.training.formats import RATE, asking
from headgate.training.loop import initialised
from headgate.training.rollout import load_labels, own_steps, rate, save_labels, verdict, write
from headgate.training.statistics import auroc, hanley_mcneil
from headgate.training.tokenizer import Encoder


@pytest.fixture(scope="module")
def model(tiny: Qwen3Config) -> Qwen3:
    return initialised(Qwen3(tiny), seed=3)


def prompts(encoder: Encoder, count: int = 7) -> list[list[int]]:
    return [encoder.encode(asking(problem.question)) for problem in problems(count, seed=2)]


def alone(model: Qwen3, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model.logits(model(torch.tensor([ids]), torch.arange(len(ids))[None], causal(len(ids))))[0]


def test_greedy_decoding_in_a_batch_equals_reading_it_all_again_each_time(model: Qwen3, encoder: Encoder) -> None:
    texts = prompts(encoder)
    for prompt, written in zip(texts, write(model, texts, stop=(), limit=12), strict=True):
        ids = list(prompt)
        for token in written.ids:
            assert int(alone(model, ids)[-1].argmax()) == token
            ids.append(token)


def test_logprobs_and_entropies_are_those_of_the_next_token(model: Qwen3, encoder: Encoder) -> None:
    prompt = prompts(encoder)[0]
    written = write(model, [prompt], stop=(), limit=3)[0]
    logprobs = alone(model, prompt)[-1].log_softmax(-1)
    assert written.logprobs[0] == pytest.approx(float(logprobs.max()), abs=1e-4)
    assert written.entropies[0] == pytest.approx(float(-(logprobs.exp() * logprobs).sum()), abs=1e-4)


def test_a_stop_token_is_kept_and_ends_the_row(model: Qwen3, encoder: Encoder) -> None:
    prompt = prompts(encoder)[0]
    free = write(model, [prompt], stop=(), limit=8)[0].ids
    assert write(model, [prompt], stop=(free[2],), limit=8)[0].ids == free[: free.index(free[2]) + 1]


def test_sampling_depends_on_the_seed_only(model: Qwen3, encoder: Encoder) -> None:
    def sample(seed: int) -> list[list[int]]:
        return [w.ids for w in write(model, prompts(encoder), stop=(), limit=6, temperature=1.0, seed=seed)]

    assert sample(1) == sample(1) != sample(2)


def test_a_rating_is_read_from_the_digits_behind_the_request(model: Qwen3, encoder: Encoder) -> None:
    before, step, request = prompts(encoder)[0], encoder.encode("Tom3.\n\n"), encoder.encode(RATE)
    digits = [encoder.one(str(digit)) for digit in range(10)]
    found = rate(model, request, digits, [(before, step), (before, step[:4])])[0]
    shares = alone(model, [*before, *step, *request])[-1][digits].softmax(-1)
    assert found.digits == pytest.approx(shares.tolist(), abs=1e-4)
    assert found.expected == pytest.approx(float(shares @ torch.arange(10.0)), abs=1e-3)
    lines = alone(model, [*before, *step]).log_softmax(-1)
    likely = [float(lines[len(before) + i - 1, token]) for i, token in enumerate(step)]
    assert found.least_logprob == pytest.approx(min(likely), abs=1e-3)


def test_ending_the_thinking_is_right_exactly_when_all_is_done() -> None:
    problem = problems(1, seed=4)[0]
    assert verdict(problem, len(problem.steps), "</think>\n\n") is Verdict.RIGHT
    assert verdict(problem, 0, "</think>\n\n") is Verdict.WRONG
    assert verdict(problem, 0, problem.steps[0].text + "\n\n") is Verdict.RIGHT
    assert verdict(problem, 1, problem.steps[0].text + "\n\n") is Verdict.UNNEEDED


def test_own_steps_come_for_every_step_and_the_end(model: Qwen3, encoder: Encoder) -> None:
    asked = problems(3, seed=4)
    steps = own_steps(model, encoder, asked)
    assert len(steps) == sum(len(problem.steps) + 1 for problem in asked)
    assert steps[-1].operation == "close"


def test_labels_come_back_from_their_file(tmp_path: Path) -> None:
    labels = [{0: [([1, 2], 9)], 3: [([4], 0), ([5], 3)]}, {}]
    save_labels(labels, tmp_path / "labels.json")
    assert load_labels(tmp_path / "labels.json") == labels


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = random.Random(1)
    scores, positive = [rng.randrange(10) for _ in range(60)], [rng.random() < 0.4 for _ in range(60)]
    pairs = [
        (a > b) + (a == b) / 2
        for a, p in zip(scores, positive, strict=True)
        if p
        for b, q in zip(scores, positive, strict=True)
        if not q
    ]
    assert auroc(scores, positive) == pytest.approx(sum(pairs) / len(pairs))


def test_intervals_hold_their_estimate_and_shrink_with_the_count() -> None:
    low, high = wilson(45, 100)
    assert low == pytest.approx(0.3561, abs=1e-3) and high == pytest.approx(0.5476, abs=1e-3)
    assert wilson(0, 10)[0] == 0.0 and wilson(10, 10)[1] == pytest.approx(1.0)
    assert hanley_mcneil(0.9, 400, 400) < hanley_mcneil(0.9, 40, 40)
