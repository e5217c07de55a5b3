"""Two workers: no step is begun before it can be, none is done twice, each is learned with the other in view."""

import random
import re

from headgate.tasks.word_problems import JOINED, problems
from headgate.training.documents.solving import Style
from headgate.training.documents.workers import side_by_side

MANY = problems(80, seed=4, split="training", mix=JOINED)
STEP = re.compile(r"[AB]: ([A-Z][a-z]+)(?=[:\d])")


def test_every_step_is_finished_once_and_after_those_it_needs() -> None:
    for problem in MANY:
        text = side_by_side(random.Random(1), problem, Style(random.Random(1)))
        done = STEP.findall(str(text))
        assert sorted(done) == sorted(line.subject for line in problem.steps)
        for place, name in enumerate(done):
            assert set(problem.lines[name].parents) <= set(done[:place])


def test_a_step_is_learned_behind_what_both_have_finished_and_the_others_beginning() -> None:
    waits, seen_unfinished = 0, 0
    for problem in MANY:
        text = side_by_side(random.Random(1), problem, Style(random.Random(1)))
        for at, ((read, nothing), (said, weight)) in text.branches:
            finished = set(STEP.findall("".join(part for part, _ in text.parts[:at])))
            assert (nothing, weight) == (0.0, 1.0)
            other, beginning, own = re.fullmatch(r"([AB])> (.*)\.\.\.\n\n([AB]): ", read, re.DOTALL).groups()  # type: ignore[union-attr]
            assert other != own
            waits += said == "wait.\n\n"
            seen_unfinished += bool(beginning)
            if said == "done.\n\n":
                assert finished == {line.subject for line in problem.steps}
            elif said != "wait.\n\n":
                name = said[:3]
                assert name not in finished and not beginning.startswith(name)
                assert set(problem.lines[name].parents) <= finished
    assert waits > 20 and seen_unfinished > 100


def test_both_have_something_to_do() -> None:
    text = str(side_by_side(random.Random(1), MANY[0], Style(random.Random(1))))
    assert len(re.findall("^A: ", text, re.M)) > 1 < len(re.findall("^B: ", text, re.M))
