from headgate.orchestrator.traces import Change, Step, batches, changes, sides

from .conftest import Teller, story, told


def test_batches_differ_where_a_problem_ended_otherwise() -> None:
    left, right = told(story(Teller())), told(story(Teller(), answer="1434"))
    pairs = batches(left, right)
    assert [pair.kind for pair in pairs] == ["changed", "same", "same"]
    right.root.children[2].path = "p9"
    assert [pair.kind for pair in batches(left, right)] == ["changed", "same", "left", "right"]


def test_two_runs_of_a_problem_face_each_other_step_by_step() -> None:
    left, right = told(story(Teller())), told(story(Teller(), rewritten="Max:1512.\n\n"))
    assert left.at("p1") and right.at("p1")
    pairs = sides(left.root.children[0], right.root.children[0])
    steps = [pair for pair in pairs if isinstance(pair.left or pair.right, Step)]
    assert [pair.kind for pair in steps] == ["same", "same", "changed", "same"]


def test_steps_that_one_side_lacks_stand_alone() -> None:
    teller = Teller()
    teller.step("p1/solve", 0, "draft", "Lea:189.\n\n")
    left, right = told(story(Teller())), told(teller.kept.events)
    pairs = sides(left.root.children[0], right.root.children[0])
    assert [pair.kind for pair in pairs if isinstance(pair.left or pair.right, Step)] == [
        "same",
        "left",
        "left",
        "left",
    ]
    back = sides(right.root.children[0], left.root.children[0])
    assert [pair.kind for pair in back if isinstance(pair.left or pair.right, Step)][1:] == ["right"] * 3


def test_texts_differ_by_words_numbers_and_signs() -> None:
    assert changes("Max:8*27;1432.", "Max:8*27;1512.") == [
        Change("same", "Max:8*27;"),
        Change("left", "1432"),
        Change("right", "1512"),
        Change("same", "."),
    ]
    assert changes("", "") == [] and changes("a", "a") == [Change("same", "a")]
