import pytest

from headgate.orchestrator.errors import RecipeError
from headgate.orchestrator.recipe import loads
from headgate.orchestrator.recipe.editing import with_number
from headgate.orchestrator.recipe.knobs import knobs_of

PATH = ("nodes", "solve", "with", "threshold")
HEAD = "# what it is\nversion: 1\nmodels: {draft: local:embedded/draft, target: local:embedded/target}\nnodes:\n"
LAYOUTS = [
    "  solve: {use: spec_reason}\n",
    "  solve: {use: spec_reason, with: {}}\n",
    "  solve: {use: spec_reason, with: {threshold: 7}}  # as in the paper\n",
    "  solve: {use: spec_reason, with: {first_n: 1, threshold: -7.25e0, temperature: 0}}\n",
    "  solve:\n    use: spec_reason\n",
    "  solve:\n    use: spec_reason\n    with: {temperature: 0}\n",
    "  solve:\n    use: spec_reason\n    with:\n      temperature: 0 # greedy\n      threshold: 7 # as in the paper\n",
    "  solve:\n    use: spec_reason\n    with:\n      temperature: 0\n",
]


def threshold(text: str) -> object:
    return knobs_of(loads(text).nodes["solve"].strategy)["threshold"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_number_is_put_in_its_place_and_all_else_stays(layout: str) -> None:
    edited = with_number(HEAD + layout, "r.yaml", PATH, 8.31, "2026-11-22, 200 problems")
    assert threshold(edited) == 8.31
    assert edited.count("# 2026-11-22, 200 problems\n") == 1
    for word in (HEAD + layout).replace("7.25e0", "").replace("7", "").replace("{", " ").replace("}", " ").split():
        assert word.strip(",") in edited


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_second_time_the_dated_remark_is_replaced(layout: str) -> None:
    once = with_number(HEAD + layout, "r.yaml", PATH, 8.31, "2026-11-22, 200 problems")
    twice = with_number(once, "r.yaml", PATH, 0.5, "2026-11-23, 300 problems")
    assert threshold(twice) == 0.5
    assert twice.count("problems\n") == 1
    assert twice.splitlines()[0] == "# what it is"


def test_what_is_no_mapping_is_refused_at_its_place() -> None:
    with pytest.raises(RecipeError, match=r"r\.yaml"):
        with_number("version: 1\nnodes: {solve: 3}\n", "r.yaml", PATH, 1.0, "2026-11-22, 1 problem")
