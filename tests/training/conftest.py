"""A tokenizer learned once, and a model small enough to train in a second."""

from pathlib import Path

import pytest
import torch

from headgate.backends.local.qwen3 import Qwen3Config
from headgate.training.curriculum import Curriculum, plain_texts
from headgate.training.sizes import shape
from headgate.training.tokenizer import Encoder, export, learn

EMBEDDED = Path(__file__).parents[2] / "backends" / "local" / "embedded"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    export(learn(plain_texts(1500, seed=1)), folder)
    return folder


@pytest.fixture(scope="session")
def encoder(tokenizer_folder: Path) -> Encoder:
    return Encoder(tokenizer_folder)


@pytest.fixture
def curriculum(encoder: Encoder) -> Curriculum:
    return Curriculum(encoder)


@pytest.fixture(scope="session")
def tiny() -> Qwen3Config:
    return shape(hidden=32, layers=2, heads=1, feed_forward=64)


@pytest.fixture(scope="session")
def embedded() -> Path:
    return EMBEDDED
