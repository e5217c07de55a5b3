import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from headgate.backends.base import Completion, Constraint, Context, EntropyStop, Sampling
from headgate.backends.checkpoint import EMBEDDED
from headgate.backends.errors import NotAModel, Refused
from headgate.backends.local.backend import LocalBackend
from headgate.backends.vllm.backend import VllmBackend
from headgate.backends.vllm.held import Held
from headgate.backends.vllm.settings import Settings

CACHE = 64 << 20


def test_reading_what_a_recipe_may_say_loads_no_engine() -> None:
    code = "import sys, headgate.backends.vllm.settings; assert not {'vllm', 'torch', 'transformers'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True, env=_environment())


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def test_settings_that_cannot_be_are_refused_in_words() -> None:
    with pytest.raises(ValidationError, match="replicas are child processes; write form: async"):
        Settings(form="in_process", replicas=2)
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings.model_validate({"memroy": 0.5})


def test_arguments_that_vllm_does_not_know_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotAModel, match="nonsense"):
        VllmBackend("embedded/draft", settings=Settings(form="in_process", more={"nonsense": 1}))
    with pytest.raises(NotAModel, match=r"has no config\.json"):
        VllmBackend(str(tmp_path))


def test_texts_have_vectors_of_unit_length_and_like_texts_like_vectors() -> None:
    made = VllmBackend("embedded/draft", settings=Settings(form="in_process", runner="embed", memory=CACHE))
    assert made.capabilities.operations == {"embed"}
    texts = ["Tom has 17 apples.", "Tom has 17 apples.", "x"]
    done = asyncio.run(made.embed(texts))
    assert [sum(x * x for x in vector) for vector in done.vectors] == pytest.approx([1.0] * 3, abs=1e-4)
    assert done.vectors[0] == pytest.approx(done.vectors[1], abs=1e-5) and done.vectors[0] != done.vectors[2]
    assert done.usage.calls == 1
    assert done.usage.input + done.usage.cached_input == sum(len(made._tokens.encode(text, "user")) for text in texts)
    with pytest.raises(Refused, match="has no generate"):
        asyncio.run(made.generate(Context.ask("?"), Sampling()))
    asyncio.run(made.close())


def test_speculation_writes_the_same_greedy_text_and_declares_what_it_costs(local: LocalBackend) -> None:
    helper = {"model": str(EMBEDDED / "draft"), "method": "draft_model", "num_speculative_tokens": 3}
    settings = Settings(form="in_process", memory=CACHE, speculative=helper)
    made = VllmBackend("embedded/draft", settings=settings)
    assert made.capabilities.operations == {"generate", "continue", "score", "regex", "json_schema"}
    assert made.capabilities.entropy == "none"
    context = Context.ask("Tom has 17 apples. Mia has 5 more than Tom. How many does Mia have?")
    asked = Sampling(max_tokens=40, stop=(local.dialect.step,))

    async def both() -> tuple[Completion, Completion]:
        return (await made.generate(context, asked))[0], (await local.generate(context, asked))[0]

    mine, theirs = asyncio.run(both())
    assert (mine.token_ids, mine.stop) == (theirs.token_ids, theirs.stop)
    held = Sampling(max_tokens=40, temperature=0.7, constraint=Constraint.choice("unlikely", "never said"))
    assert asyncio.run(made.generate(context, held))[0].text in ("unlikely", "never said")
    with pytest.raises(Refused, match="has no entropy_stop"):
        asyncio.run(made.generate(context, Sampling(entropy_stop=EntropyStop(above=1.0))))
    asyncio.run(made.close())


def test_what_was_read_is_known_in_whole_blocks_until_it_is_forgotten() -> None:
    held = Held(4, 3)
    held.add(range(10))
    assert (held.reach([*range(10)]), held.reach([*range(4), 9, 9]), held.reach([*range(8)])) == (8, 4, 4)
    held.add(range(100, 108))
    assert held.reach([*range(10)]) == 0
