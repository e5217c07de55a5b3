"""Process rewards on every engine that loads weights: held to transformers on the same files, billed to the token."""

import asyncio
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from headgate.backends.base import Context, Piece, Rewarding, Rewards, Sampling
from headgate.backends.errors import ContextTooLong, NotAModel, Refused
from headgate.backends.local.foreign import ForeignRewards
from headgate.backends.model import Model
from headgate.backends.registry import ModelSpec, open_backend
from headgate.backends.reward import ends
from headgate.budget.cost import Cost, Limits
from headgate.budget.errors import BudgetExceeded
from headgate.budget.ledger import Ledger

from .rewarding import MADE, Numbers

CLOSE = 1e-4
WAYS: dict[str, dict[str, object]] = {
    "local": {"backend": "local"},
    "vllm": {"backend": "vllm", "dtype": "float32", "engine": {"memory": 64 << 20}},
    "vllm-async": {"backend": "vllm", "dtype": "float32", "engine": {"memory": 64 << 20, "form": "async"}},
}
PAIRS = [("local", form) for form in MADE]
PAIRS += [("vllm", form) for form in MADE if form != "value_head"]  # which vLLM has no architecture for
PAIRS += [("vllm-async", "classifier")]
FORMS = [pytest.param(pair, id="-".join(pair), marks=() if pair[0] == "local" else pytest.mark.slow) for pair in PAIRS]


def opened(way: str, folder: Path) -> Rewarding:
    if way != "local":
        pytest.importorskip("vllm", reason="vLLM is not installed")
    backend = open_backend(ModelSpec(model=str(folder), **WAYS[way]))  # type: ignore[arg-type]
    assert isinstance(backend, Rewarding)
    return backend


class Made:
    """A checkpoint in an engine, and what transformers says of it."""

    def __init__(self, way: str, form: str, folder: Path) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(11)
            self.reference: Numbers = MADE[form](folder)
        self.way, self.form = way, form
        self.backend = opened(way, folder)

    def ids(self, context: Context) -> tuple[list[int], list[int]]:
        """The ids that the engine reads, and the places of its rewards."""
        parts = self.backend._solutions.parts(context)  # type: ignore[attr-defined]
        return [token for part in parts for token in part], ends(parts)

    def expected(self, context: Context) -> list[float]:
        ids, places = self.ids(context)
        with torch.inference_mode():
            said = self.reference(torch.tensor(ids))[places]
        return (said.sigmoid()[:, 0] if said.shape[1] == 1 else said.softmax(-1)[:, 1]).tolist()


@pytest.fixture(scope="module", params=FORMS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    way, form = request.param
    one = Made(way, form, tmp_path_factory.mktemp("rewards") / form)
    yield one
    asyncio.run(one.backend.close())  # type: ignore[attr-defined]


def solved(question: str, *steps: str) -> Context:
    return Context.ask(question).append(*(Piece(role="assistant", text=step, part="think") for step in steps))


STEPS = ("abcd has 7.\n\n", "so Mia\nhas 77\n\n", "ab", "then cd.\n\nand ef.\n\n")


def test_every_step_has_the_reward_that_transformers_computes(made: Made) -> None:
    for count in (1, 4):
        context = solved(f"How many has Mia of {count}?", *STEPS[:count])
        read = asyncio.run(made.backend.rewards(context))
        assert read.values == pytest.approx(made.expected(context), abs=CLOSE)
        assert len(read.values) == count + (count == 4)
        assert len({round(value, 3) for value in read.values}) == len(read.values)


def test_a_text_begins_with_the_token_that_the_tokenizer_says(made: Made) -> None:
    ids, _ = made.ids(solved("abcd"))
    assert (ids[0] == 1) is (made.form in ("value_head", "two_maps"))  # whose chat template begins with it too


def test_a_reward_does_not_depend_on_what_was_read_before_or_beside(made: Made) -> None:
    contexts = [solved("Long " * 20, *(f"step {i}, {j}.\n\n" for i in range(j + 3))) for j in range(6)]
    contexts += [context.append(*solved("", "more").pieces[1:]) for context in contexts] + contexts[:2]

    async def together() -> list[Rewards]:
        return await asyncio.gather(*map(made.backend.rewards, contexts))

    for context, read in zip(contexts, asyncio.run(together()), strict=True):
        assert read.values == pytest.approx(made.expected(context), abs=CLOSE)
        assert (read.usage.input + read.usage.cached_input, read.usage.calls) == (len(made.ids(context)[0]), 1)


def test_only_what_is_new_is_computed_and_every_token_is_billed_once(made: Made) -> None:
    before = solved("What is billed? " * 8, *(f"as step {i}.\n\n" for i in range(9)))
    after = before.append(*solved("", "and one more.\n\n").pieces[1:])
    asyncio.run(made.backend.forget())  # type: ignore[attr-defined]
    first = asyncio.run(made.backend.rewards(before))
    again = asyncio.run(made.backend.rewards(after))
    size, more = len(made.ids(before)[0]), len(made.ids(after)[0])
    assert made.backend.count(after) == more  # type: ignore[attr-defined]
    assert (first.usage.input, first.usage.cached_input, first.usage.output) == (size, 0, 0)
    held = size if made.way == "local" else (more - 1) // 32 * 32 if (more - 1) // 32 * 32 <= size else size // 32 * 32
    assert (again.usage.input, again.usage.cached_input, again.usage.calls) == (more - held, held, 1)
    assert again.values[:-1] == first.values


def test_what_was_forgotten_is_computed_again(made: Made) -> None:
    context = solved("What is forgotten? " * 4, *STEPS)
    first = asyncio.run(made.backend.rewards(context))
    asyncio.run(made.backend.forget())  # type: ignore[attr-defined]
    again = asyncio.run(made.backend.rewards(context))
    assert again.usage.input == first.usage.input + first.usage.cached_input
    assert again.values == pytest.approx(first.values, abs=CLOSE)


def test_a_solution_without_steps_has_no_rewards_and_costs_nothing(made: Made) -> None:
    read = asyncio.run(made.backend.rewards(solved("Anything?", "\n\n")))
    assert (read.values, read.usage) == ((), Cost())


def test_it_writes_nothing_and_says_so(made: Made) -> None:
    assert made.backend.capabilities.operations == {"reward"}
    with pytest.raises(Refused, match=r"give the role a model that writes|has no generate"):
        asyncio.run(made.backend.generate(Context.ask("?"), Sampling()))  # type: ignore[attr-defined]


def test_a_solution_that_does_not_fit_is_refused_with_figures(made: Made) -> None:
    with pytest.raises(ContextTooLong, match=r"has \d+ tokens, the context of .* holds 512"):
        asyncio.run(made.backend.rewards(solved("x" * 600, "y")))


# -- metered -----------------------------------------------------------------------------------------------------


async def test_a_reward_is_metered_as_such_and_never_passes_its_cap(made: Made) -> None:
    context = solved("Metered?", *STEPS)
    await made.backend.forget()  # type: ignore[attr-defined]
    needed = len(made.ids(context)[0])
    ledger = Ledger(Limits(tokens=needed))
    model = Model(name="prm", backend=made.backend, ledger=ledger)  # type: ignore[arg-type]
    read = await model.rewards(context)
    assert read.values == pytest.approx(made.expected(context), abs=CLOSE)
    assert ledger.spent.input == needed
    assert set(ledger.bill) == {("prm", "reward")}
    small = Model(name="prm", backend=made.backend, ledger=Ledger(Limits(tokens=needed - 1)))  # type: ignore[arg-type]
    with pytest.raises(BudgetExceeded):
        await small.rewards(context)


async def test_a_model_that_only_writes_is_refused_with_a_hint() -> None:
    backend = open_backend(ModelSpec(backend="local", model="embedded/draft"))
    model = Model(name="draft", backend=backend, ledger=Ledger(None))
    for refused in (model.rewards(solved("?", "a")), backend.rewards(solved("?", "a"))):  # type: ignore[attr-defined]
        with pytest.raises(Refused, match="has no reward head; name a process reward model"):
            await refused
    assert model.ledger.spent == Cost()
    await backend.close()


def test_vllm_rewards_with_nothing_but_a_reward_model() -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    spec = ModelSpec(backend="vllm", model="embedded/draft", engine={"runner": "reward"})
    with pytest.raises(Refused, match="`embedded/draft` has no reward head"):
        open_backend(spec)


# -- what cannot be loaded ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda hidden: torch.zeros(3, hidden), "gives 3 numbers a token, a reward takes one or two"),
        (lambda hidden: torch.zeros(2, 8), r"reads 8 numbers, its hidden state has (32|64)"),
        (lambda hidden: None, "there is no score.weight, nor another reward head"),
    ],
    ids=["three labels", "narrow", "none"],
)
@pytest.mark.parametrize("form", ["classifier", "public_classifier"])
def test_a_head_that_gives_no_reward_is_told(
    tmp_path: Path, form: str, spoil: Callable[[int], torch.Tensor | None], said: str
) -> None:
    from safetensors.torch import load_file, save_file

    MADE[form](tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    tensors["score.weight"] = spoil(tensors["score.weight"].shape[1])
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, file, metadata={"format": "pt"})
    with pytest.raises(NotAModel, match=said):
        open_backend(ModelSpec(backend="local", model=str(tmp_path)))


def test_half_precision_keeps_the_rewards_close(tmp_path: Path) -> None:
    one = Made("local", "public_classifier", tmp_path)
    half = open_backend(ModelSpec(backend="local", model=str(tmp_path), dtype="bfloat16"))
    context = solved("How close?", *STEPS)
    values = asyncio.run(half.rewards(context)).values  # type: ignore[attr-defined]
    assert values == pytest.approx(one.expected(context), abs=0.1)
    assert all(math.isfinite(value) for value in values)


def test_half_precision_leaves_the_head_of_any_decoder_as_it_is_written(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    Made("local", "public_classifier", tmp_path)
    written = load_file(tmp_path / "model.safetensors")["score.weight"]
    ((weight, _),) = ForeignRewards(tmp_path, torch.device("cpu"), torch.bfloat16)._head.maps
    assert torch.equal(weight, written)
    assert not torch.equal(written, written.bfloat16().float())
