"""How patient a node is, and how many of its needs it joins: read, refused, written back, shown."""

import io

import pytest
from rich.console import Console

from headgate.orchestrator.commands.listing import tree
from headgate.orchestrator.errors import RecipeError
from headgate.orchestrator.recipe import dump, loads
from headgate.orchestrator.recipe.schema import schema
from headgate.strategies.attempts import Retry

PATIENT = """\
version: 1
models: {m: scripted:m.json}
nodes:
  a: {use: direct, retry: {attempts: 4, wait_s: 0.5}, timeout_s: 30}
  b: {use: direct, on_unknown: fail}
  end: {use: direct, needs: [a, b], join: 1, when: {a: [answered, cancelled]}}
"""


def test_a_node_says_how_patient_it_is() -> None:
    nodes = loads(PATIENT).nodes
    assert (nodes["a"].retry, nodes["a"].timeout_s) == (Retry(attempts=4, wait_s=0.5), 30.0)
    assert (nodes["b"].retry, nodes["b"].timeout_s, nodes["b"].on_unknown) == (None, None, "fail")
    assert (nodes["end"].join, nodes["end"].when["a"]) == (1, frozenset({"answered", "cancelled"}))
    assert loads(PATIENT.replace("{attempts: 4, wait_s: 0.5}", "{}")).nodes["a"].retry == Retry()


def test_it_is_written_back_as_it_was() -> None:
    written = dump(loads(PATIENT))
    for part in ("retry: {attempts: 4, wait_s: 0.5}", "timeout_s: 30.0", "on_unknown: fail", "join: 1"):
        assert part in written
    assert dump(loads(written)) == written
    assert loads(written).nodes["end"].when == loads(PATIENT).nodes["end"].when


def test_it_is_shown() -> None:
    out = io.StringIO()
    Console(file=out, width=100).print(tree(loads(PATIENT)))
    for said in (
        "up to 4 attempts, 0.5 s apart and doubling, at most 30 s",
        "fails where an earlier call's outcome is unknown",
        "after any 1 of a answered or cancelled, b",
    ):
        assert said in out.getvalue()


def test_an_editor_is_told() -> None:
    node = schema()["$defs"]["NodeForm"]["properties"]
    assert all(node[key]["description"] for key in ("join", "retry", "timeout_s", "on_unknown"))


@pytest.mark.parametrize(
    ("find", "replace", "said"),
    [
        ("attempts: 4", "attempts: 0", "r.yaml:4:38: `nodes.a.retry.attempts` takes at least 1; found 0"),
        ("wait_s: 0.5", "wait: 2", "r.yaml:4:41: `nodes.a.retry` takes no `wait`; did you mean `wait_s`?"),
        ("{attempts: 4, wait_s: 0.5}", "3", "r.yaml:4:27: `nodes.a.retry` takes a mapping; found 3"),
        ("timeout_s: 30", "timeout_s: 0", "`nodes.a.timeout_s` takes more than 0.0; found 0"),
        ("timeout_s: 30", "timeout: 30", "`nodes.a` takes no `timeout`; did you mean `timeout_s`?"),
        ("on_unknown: fail", "on_unknown: ask", "`nodes.b.on_unknown` takes retry or fail; found 'ask'"),
        ("join: 1", "join: 3", "r.yaml:6:43: `end` joins 3 of 2 needs; write 1 to 2"),
        ("join: 1", "map: {over: a.items}, join: 1", "`end` cannot join 1 of its needs and map a list; drop `join`"),
    ],
)
def test_what_is_written_wrong_is_refused_at_its_place(find: str, replace: str, said: str) -> None:
    assert find in PATIENT
    with pytest.raises(RecipeError) as error:
        loads(PATIENT.replace(find, replace, 1), "r.yaml")
    assert said in str(error.value)
