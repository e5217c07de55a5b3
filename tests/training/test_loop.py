"""Real trainings of a second: loss falls, a killed one goes on to the same weights."""

import json
from pathlib import Path

import pytest
import torch

from headgate.backends.local.qwen3 import Qwen3Config
from headgate.training.curriculum import Curriculum, Plan, draft_plan
from headgate.training.loop import Job, State, Trainer

TOKENS = 24_000


def job(config: Qwen3Config, tokens: int = TOKENS, seed: int = 1) -> Job:
    return Job(config=config, tokens=tokens, seed=seed, batch_tokens=1024, save_every_s=0.0)


def silent(trainer: Trainer, line: State) -> None:
    pass


class StopAt:
    """Interrupts the training after so many steps, as Ctrl-C would."""

    def __init__(self, step: int | None) -> None:
        self.step = step

    def __call__(self, trainer: Trainer) -> None:
        trainer.interrupted = trainer.step == self.step


class Killed(Exception):
    pass


def train(folder: Path, curriculum: Curriculum, made: Job, stop: int | None = None) -> Trainer:
    trainer = Trainer(made, curriculum, draft_plan, folder)
    trainer.run(silent, StopAt(stop))
    return trainer


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return trainer.model.state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def losses(trainer: Trainer) -> list[float]:
    lines = (trainer.folder / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def test_the_loss_falls(tmp_path: Path, curriculum: Curriculum, tiny: Qwen3Config) -> None:
    seen = losses(train(tmp_path, curriculum, job(tiny, tokens=120_000)))
    assert seen[0] > 5.5
    assert seen[-1] < 3.5


def test_the_loss_of_ratings_falls_too(tmp_path: Path, curriculum: Curriculum, tiny: Qwen3Config) -> None:
    rating: list[float] = []
    plan = Plan(kinds={"solved": 1}, rated=1.0)
    trainer = Trainer(job(tiny, tokens=120_000), curriculum, lambda fraction: plan, tmp_path)
    trainer.run(lambda _, line: rating.append(line["rating_loss"]), StopAt(None))
    assert rating[-1] < 2.0 < 5.5 < rating[0]


def test_an_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, curriculum: Curriculum, tiny: Qwen3Config
) -> None:
    whole = train(tmp_path / "whole", curriculum, job(tiny))
    train(tmp_path / "parts", curriculum, job(tiny), stop=3)
    train(tmp_path / "parts", curriculum, job(tiny), stop=11)
    assert same(weights(whole), weights(train(tmp_path / "parts", curriculum, job(tiny))))


def test_a_killed_training_goes_on_from_its_checkpoint_to_the_same_weights(
    tmp_path: Path, curriculum: Curriculum, tiny: Qwen3Config
) -> None:
    def kill(trainer: Trainer) -> None:
        if trainer.step == 9:
            raise Killed

    with pytest.raises(Killed):
        Trainer(job(tiny), curriculum, draft_plan, tmp_path / "killed").run(silent, kill)
    whole = train(tmp_path / "whole", curriculum, job(tiny))
    assert same(weights(whole), weights(train(tmp_path / "killed", curriculum, job(tiny))))


def test_a_finished_training_does_nothing_more(tmp_path: Path, curriculum: Curriculum, tiny: Qwen3Config) -> None:
    done = train(tmp_path, curriculum, job(tiny))
    again = train(tmp_path, curriculum, job(tiny))
    assert again.step == done.step and same(weights(done), weights(again))


def test_a_resumed_training_may_be_made_longer(tmp_path: Path, curriculum: Curriculum, tiny: Qwen3Config) -> None:
    short = train(tmp_path, curriculum, job(tiny))
    longer = train(tmp_path, curriculum, job(tiny, tokens=2 * TOKENS))
    assert longer.tokens >= 2 * TOKENS > short.tokens


def test_another_seed_gives_other_weights(tmp_path: Path, curriculum: Curriculum, tiny: Qwen3Config) -> None:
    first = train(tmp_path / "1", curriculum, job(tiny, seed=1))
    second = train(tmp_path / "2", curriculum, job(tiny, seed=2))
    assert not same(weights(first), weights(second))


def test_another_number_of_processes_is_refused_by_name(
    tmp_path: Path, curriculum: Curriculum, tiny: Qwen3Config
) -> None:
    train(tmp_path, curriculum, job(tiny), stop=2)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    torch.save(state | {"cursors": state["cursors"] * 2}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="pass --processes 2"):
        Trainer(job(tiny), curriculum, draft_plan, tmp_path)
