"""The recipe language: what a recipe says, and every way of writing it wrong, with its place."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headgate.backends.base import Backend
from headgate.backends.errors import ContextTooLong
from headgate.backends.scripted import Replies, Scripted
from headgate.budget.cost import Limits
from headgate.orchestrator import recipe as recipes
from headgate.orchestrator.errors import RecipeError
from headgate.orchestrator.graph import Map
from headgate.orchestrator.recipe import Recipe, dump, load, loads, override
from headgate.orchestrator.recipe.schema import schema
from headgate.verifiers.base import Problem

CASCADE = """\
version: 1
models:
  draft: local:embedded/draft
  target: {backend: local, model: embedded/target}
budget: {each: {tokens: 20k, seconds: 60}, answer_reserve: 5%}
nodes:
  solve: {use: spec_reason, with: {threshold: 7}}
  vote:
    use: self_consistency
    roles: {model: target}
    with: {n: 8, strategy: {use: direct, with: {temperature: 0.7}}}
    needs: [solve]
    when: {solve: [abstained, exhausted]}
    budget: {tokens: 2k}
output: [vote, solve]
"""
ALONE = CASCADE[CASCADE.index("    needs:") :]


def refusal(find: str, replace: str, text: str = CASCADE) -> str:
    """The error of a recipe in which one thing is written otherwise."""
    assert find in text
    with pytest.raises(RecipeError) as error:
        loads(text.replace(find, replace, 1), "c.yaml")
    return str(error.value)


def test_a_recipe_says_models_budget_and_nodes() -> None:
    recipe = loads(CASCADE, "c.yaml")
    assert str(recipe.models["target"]) == "local:embedded/target"
    assert recipe.budget.each == Limits(tokens=20_000, seconds=60.0)
    assert recipe.budget.total == Limits()
    assert recipe.budget.answer_reserve == 0.05
    vote = recipe.nodes["vote"]
    assert (vote.needs, vote.limits, vote.roles) == (("solve",), Limits(tokens=2_000), {"model": "target"})
    assert vote.when == {"solve": frozenset({"abstained", "exhausted"})}
    assert recipe.output == ("vote", "solve")


def test_knobs_are_bound_and_a_strategy_in_a_knob_too() -> None:
    strategy = loads(CASCADE).nodes["vote"].strategy
    assert isinstance(strategy, partial)
    assert strategy.keywords["n"] == 8
    assert strategy.keywords["strategy"].keywords == {"temperature": 0.7}
    assert strategy.keywords["strategy"].func.__name__ == "direct"


def test_roles_go_to_the_model_of_their_name_or_to_the_only_one() -> None:
    assert loads(CASCADE).nodes["solve"].roles == {"draft": "draft", "target": "target"}
    only = load({"version": 1, "models": {"m": "scripted:m.json"}, "nodes": {"s": {"use": "spec_reason"}}})
    assert only.nodes["s"].roles == {"draft": "m", "target": "m"}


def test_one_need_one_outcome_and_one_output_need_no_list() -> None:
    recipe = loads(
        CASCADE.replace("[solve]", "solve").replace("[abstained, exhausted]", "failed").replace("[vote, solve]", "vote")
    )
    assert recipe.nodes["vote"].needs == ("solve",)
    assert recipe.nodes["vote"].when == {"solve": frozenset({"failed"})}
    assert recipe.output == ("vote",)


def test_a_list_is_mapped() -> None:
    recipe = loads(CASCADE.replace("    needs: [solve]\n", "    map: {over: solve.items, as: part}\n"))
    assert recipe.nodes["vote"].map == Map(over="solve.items", item="part")


@pytest.mark.parametrize(
    ("find", "replace", "said"),
    [
        # keys
        ("version: 1\n", "", "c.yaml:1:1: a recipe needs `version`; begin with `version: 1`"),
        ("version: 1", "version: 2", "c.yaml:1:10: `version` takes 1; found 2"),
        ("output:", "ouput:", "c.yaml:15:1: a recipe takes no `ouput`; did you mean `output`? it takes version, model"),
        ("tokens: 20k", "token: 20k", "c.yaml:5:17: `budget.each` takes no `token`; did you mean `tokens`?"),
        ("{each: {tokens: 20k, seconds: 60}, ", "{tokens: 20k, ", "c.yaml:5:10: `budget` takes no `tokens`; write `ea"),
        ("needs:", "need:", "c.yaml:12:5: `nodes.vote` takes no `need`; did you mean `needs`?"),
        ("model: embedded", "modle: embedded", "c.yaml:4:28: `models.target` takes no `modle`; did you mean `model`?"),
        ("{n: 8", "{k: 8", "c.yaml:11:12: `self_consistency` takes no `k`; it takes n, wave, min_agreement, strategy"),
        ("{threshold", "{treshold", "c.yaml:7:36: `spec_reason` takes no `treshold`; did you mean `threshold`? it tak"),
        ("{temperature", "{temprature", "c.yaml:11:49: `direct` takes no `temprature`; did you mean `temperature`?"),
        ("{use: direct", "{usee: direct", "c.yaml:11:29: `nodes.vote.with.strategy` takes no `usee`; did you mean `us"),
        ("  vote:", "  vo te:", "c.yaml:8:3: `vo te` is no name"),
        # values
        ("threshold: 7", "threshold: '7'", "c.yaml:7:47: `nodes.solve.with.threshold` takes a number; found '7'"),
        ("threshold: 7", "threshold: .nan", "c.yaml:7:47: `nodes.solve.with.threshold` takes a finite number; found n"),
        ("threshold: 7", "threshold: .inf", "`nodes.solve.with.threshold` takes a finite number; found inf"),
        ("threshold: 7", "score: best", "`nodes.solve.with.score` takes greedy or expected"),
        ("n: 8", "n: 8.5", "c.yaml:11:15: `nodes.vote.with.n` takes a whole number; found 8.5"),
        ("n: 8", "n: true", "c.yaml:11:15: `nodes.vote.with.n` takes a whole number; found true"),
        ("{use: direct, with: {temperature: 0.7}}", "direct", "`nodes.vote.with.strategy` takes a mapping; found 'dir"),
        ("{use: spec_reason, with: {threshold: 7}}", "spec_reason", "c.yaml:7:10: `nodes.solve` takes a mapping"),
        ("use: self_consistency", "use: 3", "c.yaml:9:10: `nodes.vote.use` takes a text; found 3"),
        ("tokens: 20k", "tokens: .nan", "c.yaml:5:25: `budget.each.tokens`: nan is no limit"),
        ("tokens: 20k", "tokens: -1", "c.yaml:5:25: `budget.each.tokens`: -1 is no limit"),
        ("tokens: 20k", "tokens: 20x", "c.yaml:5:25: `budget.each.tokens`: '20x' is no amount"),
        ("tokens: 20k", "tokens: 0.5", "c.yaml:5:25: `budget.each.tokens`: 0.5 is not whole; write 0 or 1"),
        ("seconds: 60", "seconds: true", "`budget.each.seconds`: True is no amount"),
        ("5%", "100%", "c.yaml:5:60: `budget.answer_reserve`: '100%' is no share"),
        ("5%", ".nan", "`budget.answer_reserve`: nan is no share"),
        ("abstained", "abstain", "c.yaml:13:20: `nodes.vote.when.solve.0` takes answered, abstained, exhausted, faile"),
        # names
        ("spec_reason", "spec_resaon", "c.yaml:7:16: there is no strategy `spec_resaon`; did you mean `spec_reason`?"),
        ("use: direct", "use: dirct", "c.yaml:11:34: there is no strategy `dirct`; did you mean `direct`?"),
        ("local:embedded", "locl:embedded", "c.yaml:3:3: there is no backend `locl`; did you mean `local`? there are"),
        ("local:embedded", "embedded", "c.yaml:3:10: `models.draft`: 'embedded/draft' names no model; write BACKEND:W"),
        ("model: embedded/target", "model: x, base_url: y", "c.yaml:4:38: `local` takes no `base_url`; it takes backe"),
        ("embedded/target", "x, engine: {max_bach: 1}", "`local` takes no `max_bach`"),
        ("embedded/target", "x, engine: {max_batch: 0}", "`models.target.engine.max_batch` takes at least 1; found 0"),
        ("embedded/target", "x, engine: {device: tpu}", "`models.target.engine.device` takes auto, cpu or cuda; found"),
        ("{model: target}", "{modle: target}", "c.yaml:10:13: `self_consistency` has no role `modle`; did you mean `m"),
        ("{model: target}", "{model: taget}", "c.yaml:10:20: there is no model `taget`; did you mean `target`?"),
        ("    roles: {model: target}\n", "", "c.yaml:9:10: no model plays `model` for `self_consistency`; write `role"),
        ("needs: [solve]", "needs: [slove]", "c.yaml:12:13: `nodes.vote.needs` names `slove`, which is no node; did y"),
        ("{solve: [", "{slove: [", "c.yaml:13:12: `nodes.vote.when` names `slove`, which is no node"),
        ("[vote, solve]", "[vote, slove]", "c.yaml:15:16: `output` names `slove`, which is no node; did you mean `sol"),
        ("version: 1\n", "version: 1\ntools: [calculator]\n", "c.yaml:2:9: there is no tool `calculator`"),
        # graph
        ("threshold: 7}", "threshold: 7}, needs: [vote]", "c.yaml:7:58: nodes wait for each other in a circle: "),
        ("    needs: [solve]\n", "", "c.yaml:8:3: `vote` has a condition on `solve`; add it to `needs: [solve]`"),
        ("output: [vote, solve]", "output: solve", "c.yaml:8:3: nothing uses what `vote` answers"),
        (ALONE, "", "c.yaml:8:3: solve and vote could each be the output; write `output: [solve, vote]`"),
        ("threshold: 7}", "threshold: 7}, question: 'is {vote} right?'", "c.yaml:7:61: `solve` quotes `vote`"),
        ("    needs: [solve]\n", "    map: {over: solve.words}\n", "c.yaml:12:10: `solve.words` is no list"),
        ("    needs: [solve]\n", "    map: {over: solve}\n", "c.yaml:12:17: `nodes.vote.map.over` takes NODE.items; f"),
        # prices
        ("model: embedded/target}", "model: x}\nbudget: 3", "stands twice"),
        ("embedded/target}\nbudget: {each: {tokens: 20k", "x}\nbudget: {each: {dollars: 1",
         "c.yaml:4:11: `target` has no price, which `budget.each.dollars` needs; write `target: {..., price:"),
        ("embedded/target", "x, price: {input: -1, output: 1}", "`models.target.price`: a price needs `input`"),
        ("embedded/target", "x, price: {inptu: 1, output: 1}", "`models.target.price`: a price takes no `inptu`"),
        ("embedded/target", "x, price: 5", "`models.target.price`: a price is written {input: 0.5, output: 2}"),
        ("embedded/target", "x, price: {input: 1, output: 1, tiers: [{above: many}]}", "a tier of a price needs `ab"),
        ("answer_reserve: 5%", "on_unpriced: ignore", "c.yaml:5:57: `budget.on_unpriced` takes refuse or allow; f"),
    ],
)  # fmt: skip
def test_what_is_written_wrong_is_said_with_its_place_and_what_was_right(find: str, replace: str, said: str) -> None:
    assert said in refusal(find, replace)


def test_empty_parts_are_refused() -> None:
    with pytest.raises(RecipeError, match="`nodes` takes at least one entry"):
        load({"version": 1, "models": {"m": "local:x"}, "nodes": {}})
    with pytest.raises(RecipeError, match="`models` takes at least one entry"):
        load({"version": 1, "models": {}, "nodes": {"s": {"use": "direct"}}})


def test_an_engine_is_told_more_and_servers_may_be_several() -> None:
    models = {
        "one": {"backend": "openai", "model": "m", "base_url": "http://a/v1"},
        "two": {"backend": "openai", "model": "m", "base_url": ["http://a/v1", "http://b/v1"]},
        "here": {"backend": "local", "model": "embedded/draft", "engine": {"max_batch": 3}},
    }
    nodes = {"solve": {"use": "direct", "roles": {"model": "here"}}}
    recipe = load({"version": 1, "models": models, "nodes": nodes})
    assert [recipe.models[name].base_url for name in models] == [("http://a/v1",), ("http://a/v1", "http://b/v1"), ()]
    assert recipe.models["here"].engine == {"max_batch": 3}
    assert loads(recipes.dump(recipe)).models == recipe.models


def test_a_price_of_its_own_lets_dollars_be_limited() -> None:
    text = CASCADE.replace("embedded/target", "x, price: {input: 0.5, output: 2}").replace(
        "tokens: 20k", "dollars: 0.05"
    )
    recipe = loads(text)
    price = recipes.price(recipe, "target")
    assert price is not None
    assert price.output == 2_000_000
    assert recipe.budget.each.dollars == Decimal("0.05")


UNPRICED = CASCADE.replace("embedded/target", "x")


@pytest.mark.parametrize(
    ("find", "replace", "unit"),
    [
        ("tokens: 20k", "dollars: 1", "budget.each.dollars"),
        ("answer_reserve: 5%", "total: {dollars: 1}", "budget.total.dollars"),
        ("{tokens: 2k}", "{dollars: 1}", "nodes.vote.budget.dollars"),
    ],
)
def test_a_model_without_a_price_is_refused_under_any_limit_of_dollars_unless_told_otherwise(
    find: str, replace: str, unit: str
) -> None:
    said = refusal(find, replace, UNPRICED)
    assert f"c.yaml:4:11: `target` has no price, which `{unit}` needs; write `target: {{..., price:" in said
    assert said.endswith("or `budget: {on_unpriced: allow}`, and its calls count no dollars")
    written = UNPRICED.replace(find, replace, 1)
    allowed = loads(written.replace("budget: {each", "budget: {on_unpriced: allow, each", 1))
    assert allowed.budget.on_unpriced == "allow"
    assert recipes.price(allowed, "target") is None
    assert loads(dump(allowed)).budget == allowed.budget


def test_a_limit_of_dollars_goes_with_unpriced_models_from_the_command_line() -> None:
    recipe = override(loads(UNPRICED), settings=["budget.on_unpriced=allow", "budget.each.dollars=1"])
    assert recipe.budget.each.dollars == 1


def test_a_price_with_tiers_survives_being_written_back() -> None:
    row = "{input: 3, cache_write: 3.75, cache_write_1h: 6, output: 15, tiers: [{above: 200000, input: 6}]}"
    recipe = loads(CASCADE.replace("embedded/target", f"x, price: {row}"))
    price = recipe.models["target"].price
    assert price is not None
    assert (price.cache_write_1h, price.tiers[0].above, price.tiers[0].input) == (6_000_000, 200_000, 6_000_000)
    assert loads(dump(recipe)).models == recipe.models


# -- loading and dumping --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", recipes.shipped())
def test_shipped_recipes_are_found_by_name_and_by_path_and_dump_to_themselves(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = load(name)
    assert dump(load(f"recipes/{name}.yaml")) == dump(recipe)
    assert dump(loads(dump(recipe))) == dump(recipe)


def test_a_file_here_goes_before_a_shipped_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("direct.yaml").write_text(CASCADE, encoding="utf-8")
    assert list(load("direct.yaml").nodes) == ["solve", "vote"]


def test_an_unknown_recipe_names_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=r"spec_reson: there is no such file; .*did you mean `spec_reason`\?"):
        load("spec_reson")


def test_a_dumped_recipe_holds_every_default_and_price() -> None:
    text = CASCADE.replace("embedded/target", "x, price: {input: 0.5, output: 2}, dtype: bfloat16")
    written = dump(loads(text))
    for part in ("first_n: 0", "wave: 4", "input: 0.5", "dtype: bfloat16", "draft: local:embedded/draft"):
        assert part in written
    again = loads(written)
    assert dump(again) == written
    assert recipes.price(again, "target") == recipes.price(loads(text), "target")


# -- the command line's changes -------------------------------------------------------------------------------


def test_options_change_models_budgets_and_any_value() -> None:
    recipe = override(
        loads(CASCADE),
        models=["target=scripted:t.json"],
        budget="tokens=30k",
        total="tokens=1M",
        settings=["nodes.solve.with.threshold=5", "nodes.vote.with.strategy.with.temperature=1"],
    )
    assert str(recipe.models["target"]) == "scripted:t.json"
    assert recipe.budget.each == Limits(tokens=30_000, seconds=60.0)
    assert recipe.budget.total == Limits(tokens=1_000_000)
    solve, vote = recipe.nodes["solve"].strategy, recipe.nodes["vote"].strategy
    assert isinstance(solve, partial)
    assert isinstance(vote, partial)
    assert solve.keywords == {"threshold": 5}
    assert vote.keywords["strategy"].keywords == {"temperature": 1}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"settings": ["nodes.solve.with.treshold=5"]},
            "--set nodes.solve.with.treshold=5: `spec_reason` takes no `tresh",
        ),
        (
            {"settings": ["nodes.solve.with.threshold=x"]},
            "--set nodes.solve.with.threshold=x: `nodes.solve.with.thresh",
        ),
        ({"settings": ["nodes.slove.with.n=3"]}, "--set nodes.slove.with.n=3: `nodes.slove` needs `use`"),
        ({"settings": ["nodes.solve"]}, "--set nodes.solve: `nodes.solve` sets nothing; write KEY=VALUE"),
        ({"settings": ["=3"]}, "--set =3: `=3` sets nothing"),
        ({"settings": ["nodes.solve.with.threshold={"]}, "--set nodes.solve.with.threshold={:1:2: "),
        ({"settings": ["version.x=1"]}, "--set version.x=1: `version` is 1, with nothing inside"),
        ({"settings": ["output.5=solve"]}, "--set output.5=solve: `output.5`: the list has 2 entries"),
        ({"models": ["taget=local:x"]}, "--model taget=local:x: there is no model `taget`; did you mean `target`?"),
        ({"models": ["target=x"]}, "--model target=x: `models.target`: 'x' names no model"),
        ({"budget": "tokens=20x"}, "--budget tokens=20x: `budget.each.tokens`: '20x' is no amount"),
        ({"budget": "tokns=20"}, "--budget tokns=20: `budget.each` takes no `tokns`; did you mean `tokens`?"),
        ({"total": "tokens"}, "--budget-total tokens: `tokens` sets nothing"),
    ],
)
def test_an_option_written_wrong_is_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as error:
        override(loads(CASCADE), **options)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("use", "knob", "value", "said"),
    [
        ("self_consistency", "n", 0, "at least 1"),
        ("self_consistency", "min_agreement", 1.5, "at most 1"),
        ("direct", "temperature", -0.1, "at least 0"),
        ("direct", "top_p", 0, "more than 0"),
        ("spec_reason", "first_n", -1, "at least 0"),
    ],
)
def test_a_knob_out_of_its_range_is_refused_with_the_range(use: str, knob: str, value: float, said: str) -> None:
    with pytest.raises(RecipeError, match=rf"`nodes.s.with.{knob}` takes {said}"):
        load({"version": 1, "models": {"m": "scripted:m.json"}, "nodes": {"s": {"use": use, "with": {knob: value}}}})


# -- loaded models and questions ------------------------------------------------------------------------------


def one(**model: object) -> Recipe:
    given = {"backend": "scripted", "model": "m.json", **model}
    return load({"version": 1, "models": {"m": given}, "nodes": {"s": {"use": "direct"}}})


def opened(**can: Any) -> Mapping[str, Backend]:
    backend = Scripted(Replies(["so\n\n"]))
    backend.capabilities = replace(backend.capabilities, **can)
    return {"m": backend}


def test_a_model_that_cannot_do_what_a_strategy_asks_is_refused() -> None:
    recipe = load({"version": 1, "models": {"m": "scripted:m.json"}, "nodes": {"s": {"use": "spec_reason"}}})
    graph = recipes.graph(recipe)
    recipes.check_capabilities(graph, opened())
    with pytest.raises(RecipeError, match=r"`nodes\.s`: `spec_reason` needs a target that can peek;"):
        recipes.check_capabilities(graph, opened(operations=frozenset({"generate", "continue"})))
    with pytest.raises(RecipeError, match=r"`nodes\.s`: `spec_reason` needs a draft that can continue;"):
        recipes.check_capabilities(graph, opened(operations=frozenset({"generate", "peek"})))


def ask(recipe: Recipe, text: str, backends: Mapping[str, Backend]) -> Callable[[], None]:
    return lambda: recipes.check_question(recipe, recipes.graph(recipe), Problem(text=text), backends)


def test_a_question_is_checked_before_it_costs_anything() -> None:
    ask(one(), "What is it?", opened())()
    with pytest.raises(RecipeError, match="the question is empty"):
        ask(one(), " \n", opened())()
    with pytest.raises(ContextTooLong, match=r"the question has \d+ tokens for `m`, which reads fewer than 5"):
        ask(one(), "What is it, and what is it not?", opened(max_context=5))()


def test_a_budget_too_small_for_one_answer_is_refused_with_what_it_takes() -> None:
    recipe = override(one(), budget="tokens=3")
    with pytest.raises(RecipeError, match=r"`budget\.each` allows 3 tokens, one answer takes at least \d+"):
        ask(recipe, "What is it?", opened())()
    priced = override(one(price={"input": 1, "output": 1}), total="dollars=0.000001")
    with pytest.raises(RecipeError, match=r"`budget\.total` allows 1e-06 dollars, one answer takes at least"):
        ask(priced, "What is it?", opened())()
    small = override(one(), settings=["nodes.s.budget.output=0"])
    with pytest.raises(RecipeError, match=r"`nodes\.s\.budget` allows 0 output, one answer takes at least 1"):
        ask(small, "What is it?", opened())()


def test_a_file_that_is_no_model_is_named_where_it_was_written(tmp_path: Path) -> None:
    recipe = loads(CASCADE.replace("local:embedded/draft", f"scripted:{tmp_path}/none.json"), "c.yaml")
    with pytest.raises(RecipeError, match=r"c\.yaml:3:10: .* is no scripted model"):
        recipes.open_backends(recipe)


def test_two_names_of_one_model_share_it(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"form": "replies", "replies": ["x"]}', encoding="utf-8")
    where = f"scripted:{tmp_path}/m.json"
    recipe = load(
        {"version": 1, "models": {"a": where, "b": where}, "nodes": {"s": {"use": "direct", "roles": {"model": "a"}}}}
    )
    models = recipes.open_backends(recipe)
    assert models["a"] is models["b"]


# -- for editors ----------------------------------------------------------------------------------------------


def test_the_schema_names_every_strategy_with_its_knobs() -> None:
    made = schema()
    forms = made["$defs"]
    assert "threshold" in forms["with_spec_reason"]["properties"]
    assert forms["with_self_consistency"]["properties"]["strategy"]["$ref"] == "#/$defs/strategy"
    rules = {rule["if"]["properties"]["use"]["const"]: rule["then"] for rule in forms["NodeForm"]["allOf"]}
    assert rules["direct"] == {"properties": {"with": {"$ref": "#/$defs/with_direct"}}}
    json.dumps(made)


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    made = schema()
    text = json.dumps(made)
    for name in {part.split('"')[0] for part in text.split("#/$defs/")[1:]}:
        assert name in made["$defs"]
