"""Engines that runs share: opened once, never closed by a borrower, and without memory of the run before."""

import asyncio
from pathlib import Path

import pytest

from headgate.backends.base import Context, Sampling
from headgate.orchestrator import recipe as recipes
from headgate.orchestrator.bench.engines import Engines
from headgate.orchestrator.errors import RecipeError

ASKED = Context.ask("What is 2+3?")


@pytest.mark.usefixtures("folder")
def test_a_model_of_two_recipes_is_opened_once() -> None:
    engines = Engines()
    alone, spec = (recipes.load(f"{name}.yaml") for name in ("alone", "spec"))
    target = engines.engine(alone, "target")
    assert engines.engine(spec, "target") is target
    assert engines.engine(spec, "draft") is not target
    priced = recipes.override(alone, settings=["models.target.price.input=9"])
    assert engines.engine(priced, "target") is target  # a price is no other model


@pytest.mark.usefixtures("folder")
async def test_what_one_run_left_in_the_cache_is_new_to_the_next() -> None:
    engines, recipe = Engines(), recipes.load("alone.yaml")
    lent = engines.lend(recipe)["target"]
    first, again = [(await lent.generate(ASKED, Sampling()))[0].usage for _ in range(2)]
    assert (first.cached_input, again.input) == (0, 0)
    await engines.forget()
    (after,) = await lent.generate(ASKED, Sampling())
    assert after.usage.input == first.input > 0


async def test_the_embedded_engine_forgets_too() -> None:
    engines = Engines()
    nodes = {"solve": {"use": "direct", "roles": {"model": "draft"}}}
    recipe = recipes.load({"version": 1, "models": {"draft": "local:embedded/draft"}, "nodes": nodes})
    lent = engines.lend(recipe)["draft"]
    first, again = [(await lent.generate(ASKED, Sampling(max_tokens=4)))[0].usage for _ in range(2)]
    await engines.forget()
    (after,) = await lent.generate(ASKED, Sampling(max_tokens=4))
    await engines.close()
    assert again.input < first.input == after.usage.input


@pytest.mark.usefixtures("folder")
async def test_a_borrower_closes_nothing_and_what_nobody_needs_is_closed() -> None:
    engines = Engines()
    alone, spec = (recipes.load(f"{name}.yaml") for name in ("alone", "spec"))
    lent = engines.lend(spec)
    draft, target = engines.engine(spec, "draft"), engines.engine(spec, "target")
    await lent["draft"].close()
    assert engines.engine(spec, "draft") is draft
    await engines.keep([alone])
    assert engines.engine(spec, "target") is target
    assert engines.engine(spec, "draft") is not draft


def test_a_model_that_cannot_be_opened_is_named_where_the_recipe_names_it(folder: Path) -> None:
    (folder / "target.json").unlink()
    with pytest.raises(RecipeError, match=r"alone\.yaml:2:.*target\.json"):
        Engines().engine(recipes.load("alone.yaml"), "target")


def test_a_loan_knows_its_names_without_opening_anything() -> None:
    nodes = {"solve": {"use": "direct"}}
    recipe = recipes.load({"version": 1, "models": {"target": "local:nowhere"}, "nodes": nodes})
    loan = Engines().lend(recipe)
    assert ("target" in loan, "draft" in loan, list(loan), len(loan)) == (True, False, ["target"], 1)
    with pytest.raises(KeyError):
        loan["draft"]
    with pytest.raises(RecipeError):
        asyncio.run(loan["target"].close())
