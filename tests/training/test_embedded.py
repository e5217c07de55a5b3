"""The shipped checkpoints load as they are, agree with transformers, and are about as good as their card says."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from headgate.backends.local.qwen3 import Qwen3, causal
from headgate.tasks.word_problems import WordProblem, problems
from headgate.training.checks import answered, rated
from headgate.training.formats import asking
from headgate.training.rollout import OwnStep, own_steps, write
from headgate.training.statistics import auroc
from headgate.training.tokenizer import Encoder

ROLES = ("draft", "target")


@pytest.fixture(scope="module")
def models(embedded: Path) -> dict[str, Qwen3]:
    return {role: Qwen3.load(embedded / role) for role in ROLES}


@pytest.fixture(scope="module")
def shipped(embedded: Path) -> Encoder:
    return Encoder(embedded / "target")


@pytest.fixture(scope="module")
def asked() -> list[WordProblem]:
    return problems(100, seed=4321)


@pytest.fixture(scope="module")
def drafted(models: dict[str, Qwen3], shipped: Encoder, asked: list[WordProblem]) -> list[OwnStep]:
    return own_steps(models["draft"], shipped, asked)


def test_the_draft_is_right_on_half_of_the_problems_and_not_on_most(
    models: dict[str, Qwen3], shipped: Encoder, asked: list[WordProblem]
) -> None:
    assert 0.42 < sum(answered(models["draft"], shipped, asked)) / len(asked) < 0.78


def test_the_target_is_right_on_nearly_all(
    models: dict[str, Qwen3], shipped: Encoder, asked: list[WordProblem]
) -> None:
    assert sum(answered(models["target"], shipped, asked)) / len(asked) > 0.85


def test_the_targets_ratings_tell_the_drafts_wrong_steps(
    models: dict[str, Qwen3], shipped: Encoder, drafted: list[OwnStep]
) -> None:
    scores = [-rating.expected for rating in rated(models["target"], shipped, drafted)]
    assert auroc(scores, [step.wrong for step in drafted]) > 0.93


def test_the_draft_errs_on_about_every_tenth_step(drafted: list[OwnStep]) -> None:
    proper = [step.wrong for step in drafted if step.operation != "close"]
    assert 0.05 < sum(proper) / len(proper) < 0.20


@pytest.mark.parametrize("role", ROLES)
def test_logits_equal_those_of_transformers(
    models: dict[str, Qwen3], embedded: Path, shipped: Encoder, role: str
) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(embedded / role)
    ids = torch.tensor([shipped.encode(asking(problems(1, seed=9)[0].question))])
    with torch.inference_mode():
        ours = models[role].logits(models[role](ids, torch.arange(ids.shape[1])[None], causal(ids.shape[1])))
        assert torch.allclose(ours, theirs(ids).logits, atol=1e-4)


@pytest.mark.parametrize("role", ROLES)
def test_transformers_writes_the_same_tokens(
    models: dict[str, Qwen3], embedded: Path, shipped: Encoder, asked: list[WordProblem], role: str
) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(embedded / role)
    prompts = [shipped.encode(asking(problem.question)) for problem in asked[:4]]
    ours = write(models[role], prompts, stop=(shipped.one("<|im_end|>"),), limit=256)
    for prompt, written in zip(prompts, ours, strict=True):
        output = theirs.generate(torch.tensor([prompt]), max_new_tokens=256, do_sample=False)
        assert output[0, len(prompt) :].tolist() == written.ids


def test_the_pair_shares_one_tokenizer_and_fits_in_sixteen_megabytes(embedded: Path) -> None:
    tokenizers = [AutoTokenizer.from_pretrained(embedded / role).get_vocab() for role in ROLES]
    assert tokenizers[0] == tokenizers[1]
    assert sum((embedded / role / "model.safetensors").stat().st_size for role in ROLES) < 16_000_000
