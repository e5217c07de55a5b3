import asyncio
import warnings
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor

from headgate.backends.base import Context, Piece, Sampling
from headgate.backends.checkpoint import EMBEDDED
from headgate.backends.local.backend import LocalBackend

WRITERS = ("draft", "target")
QUESTION = Context.ask(
    "Ann has 47 pens. Jan has as many as Zoe and Roy together. Zoe has 75 more than Ann. Roy has 49 pens. "
    "Max has 23 pens. How many does Jan have?"
)


@pytest.fixture(params=["random", *WRITERS])
def folder(request: pytest.FixtureRequest, random_folder: Path) -> Path:
    return random_folder if request.param == "random" else EMBEDDED / request.param


def reference(folder: Path, ids: list[int]) -> Tensor:
    """The logits [n, V] of transformers' own model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        return model(torch.tensor([ids])).logits[0]  # type: ignore[no-any-return]


def test_every_figure_is_the_one_of_transformers(folder: Path) -> None:
    backend = LocalBackend(str(folder))
    step = asyncio.run(backend.generate(QUESTION, Sampling(max_tokens=40, entropies=True)))[0]
    scored = asyncio.run(backend.score(QUESTION, step.piece("think", "")))
    prompt = backend._tokens.prompt(backend.dialect, QUESTION)
    logs = reference(folder, [*prompt, *step.token_ids])[len(prompt) - 1 : -1].log_softmax(-1)
    chosen = logs.gather(1, torch.tensor(step.token_ids)[:, None])[:, 0]
    nats = torch.distributions.Categorical(logits=logs.double()).entropy()
    assert tuple(logs.argmax(-1).tolist()) == step.token_ids
    assert step.logprobs == pytest.approx(chosen.tolist(), abs=1e-4)
    # where it ended its thinking, the score goes on with the closing tag
    assert scored.logprobs[: len(chosen)] == pytest.approx(chosen.tolist(), abs=1e-4)
    assert step.entropies and step.entropies[: len(chosen)] == pytest.approx(nats.tolist(), abs=1e-4)


def test_logits_are_those_of_transformers(folder: Path) -> None:
    backend = LocalBackend(str(folder))
    ids = backend._tokens.prompt(backend.dialect, QUESTION)
    seen: list[Tensor] = []
    backend._engine._remember = lambda _, logits: seen.append(logits)  # type: ignore[method-assign]
    asyncio.run(backend.peek(QUESTION))
    assert torch.allclose(seen[0], reference(folder, ids)[-1], atol=1e-4)


def test_a_prompt_put_together_from_pieces_is_the_text_encoded_at_once(folder: Path) -> None:
    backend = LocalBackend(str(folder))
    step = Piece(role="assistant", text="Ann47.\n\n", part="think")
    context = backend.judge(QUESTION.append(step))
    text = "".join(part if isinstance(part, str) else part.text for part in backend.dialect.render(context))
    whole = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text, add_special_tokens=False).ids
    assert backend._tokens.prompt(backend.dialect, context) == whole


def test_the_embedded_target_tells_a_right_step_from_a_wrong_one() -> None:
    target = LocalBackend("embedded/target")

    def rated(text: str) -> float:
        context = QUESTION.append(Piece(role="assistant", text=text, part="think"))
        logs = asyncio.run(target.peek(target.judge(context), list("0123456789"))).logprobs
        probs = torch.tensor([logs[str(digit)] for digit in range(10)]).softmax(0)
        return float(probs @ torch.arange(10.0))

    assert rated("Ann47.\n\n") > rated("Ann49.\n\n") + 2
