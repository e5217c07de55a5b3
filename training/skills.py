"""What the trained pair can do beside solving, each skill under its conditions, on held-out problems.

Greedy, and scored by exact answers; a skill is a function from a model to a share for each of its conditions.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from ..backends.local.qwen3 import Qwen3
from ..tasks import operators, stateful_math
from ..tasks.stateful_math import Question
from ..tasks.word_problems import HARD, Mix, problems
from ..verifiers.exact import boxed
from .documents.asides import planned, with_notes
from .documents.document import Text
from .documents.rating import Candidates, compare, outcome
from .documents.solving import Style, without
from .figures import Figures, area, counted
from .formats import CLOSE, DELIMITER, RATE_ANSWER, UNKNOWN, asking
from .rollout import ANSWER_LIMIT, Rating, own_steps, rate, write
from .tokenizer import Encoder

LONG = Mix(steps={6: 1, 7: 1, 8: 1}, shuffled=1.0)
SEEDS = {name: 7_100 + n for n, name in enumerate(("operators", "notes", "cut", "missing", "hard", "votes", "judge"))}


@dataclass(frozen=True, slots=True)
class Reader:
    """A model that is asked and whose answers are read."""

    model: Qwen3
    encoder: Encoder
    limit: int = ANSWER_LIMIT  # tokens of a text

    def write(self, prompts: Sequence[str], *, limit: int | None = None, heat: float = 0.0, seed: int = 0) -> list[str]:
        """What follows each prompt, to the end of the turn. heat: the temperature."""
        ids, end = [self.encoder.encode(prompt) for prompt in prompts], self.encoder.one("<|im_end|>")
        texts = write(self.model, ids, stop=(end,), limit=limit or self.limit, temperature=heat, seed=seed)
        return [self.encoder.decode(text.ids) for text in texts]

    def answers(self, prompts: Sequence[str], *, heat: float = 0.0, seed: int = 0) -> list[str]:
        """What stands in the last box of each, "" where there is none."""
        return [boxed(text) or "" for text in self.write(prompts, heat=heat, seed=seed)]

    def right(self, prompts: Sequence[str], expected: Sequence[object]) -> Figures:
        """The share answered as expected."""
        return right(self.answers(prompts), expected)

    def priced(self, prompts: Sequence[str], expected: Sequence[object]) -> tuple[Figures, Figures]:
        """The same, and the tokens read and written a question, in the mean."""
        texts = self.write(prompts)
        total = sum(len(self.encoder.encode(read + said)) for read, said in zip(prompts, texts, strict=True))
        return right([boxed(text) or "" for text in texts], expected), {"mean": total / len(texts), "n": len(texts)}


def right(answers: Sequence[str], expected: Sequence[object]) -> Figures:
    """The share of answers that are as expected."""
    return counted([a == str(b) for a, b in zip(answers, expected, strict=True)])


def induction(reader: Reader, count: int) -> Figures:
    """Operators told by 0 to 4 demonstrations, those of the training and others."""
    found: Figures = {}
    for name, rules in (("known", operators.SEEN), ("new", operators.UNSEEN)):
        for shown in (0, 1, 2, 4):
            stream = operators.stream_of(Random(SEEDS["operators"] + shown), operators=tuple(rules), shown=shown)
            drawn = [next(stream) for _ in range(count)]
            found[f"{name} operators, {shown} shown"] = reader.right(
                [asking(one.question) for one in drawn], [one.asked.value for one in drawn]
            )
    return found


def notes(reader: Reader, count: int) -> Figures:
    """Questions about givens: answered at once, from notes at once, and after thinking it all through."""
    drawn = asked_of_givens(count, "derivable")
    answers = [one.worked.answer for one in drawn]
    noted, few = reader.priced([asking(with_notes(one.givens, one.asked), think=False) for one in drawn], answers)
    thought, many = reader.priced([asking(one.worked.question) for one in drawn], answers)
    supposed = asked_of_givens(count, "counterfactual")
    others = [one.worked.answer for one in supposed]
    return {
        "at once, without notes": reader.right([asking(one.worked.question, think=False) for one in drawn], answers),
        "at once, from notes": noted,
        "thought through": thought,
        "another number supposed, notes and thinking": reader.right(
            [asking(with_notes(one.givens, one.asked)) for one in supposed], others
        ),
        "another number supposed, thought through": reader.right(
            [asking(one.worked.question) for one in supposed], others
        ),
        "tokens, from notes": few,
        "tokens, thought through": many,
    }


def asked_of_givens(count: int, kind: str) -> list[Question]:
    stream = stateful_math.stream_of(Random(SEEDS["notes"]))
    drawn: list[Question] = []
    while len(drawn) < count:
        one = next(stream)
        if one.kind == kind and len(one.givens.quantities) <= 10:
            drawn.append(one)
    return drawn


def cut_thinking(reader: Reader, count: int) -> Figures:
    """Thinking ended after so many of its own steps; the answer is asked for at once."""
    asked = problems(count, SEEDS["cut"])
    thought = reader.write([asking(problem.question) for problem in asked])
    steps = [text.partition(CLOSE)[0].split(DELIMITER)[:-1] for text in thought]

    def after(kept: int) -> list[str]:
        begun = ("".join(step + DELIMITER for step in own[:kept]) for own in steps)
        return [asking(p.question) + some + CLOSE for p, some in zip(asked, begun, strict=True)]

    answers = [problem.answer for problem in asked]
    return {f"after {kept} steps": reader.right(after(kept), answers) for kept in (0, 1, 2, 3, 4, 6, 8)}


def abstention(reader: Reader, count: int) -> Figures:
    """How often a model gives up on problems with a missing fact, and on the same problems complete."""
    rng, asked = Random(SEEDS["missing"]), problems(count, SEEDS["missing"])
    sets = {"a fact missing": [without(rng, problem)[0] for problem in asked], "complete": asked}
    found: Figures = {}
    for name, some in sets.items():
        answers = reader.answers([asking(problem.question) for problem in some])
        found[f"gives up, {name}"] = counted([answer == UNKNOWN for answer in answers])
    return found


def hard(reader: Reader, count: int) -> Figures:
    """6 to 8 steps with the statements in any order."""
    asked = problems(count, SEEDS["hard"], mix=LONG)
    return {"6 to 8 steps, shuffled": reader.right([asking(p.question) for p in asked], [p.answer for p in asked])}


def votes(reader: Reader, count: int, samples: int = 8) -> Figures:
    """The most frequent of several answers at temperature 0.7, beside a single one; ties go to the first."""
    found: Figures = {}
    for name, mix in (("standard", Mix()), ("shuffled", HARD)):
        asked = problems(count, SEEDS["votes"], mix=mix)
        prompts, right = [asking(problem.question) for problem in asked], [str(problem.answer) for problem in asked]
        drawn = list(zip(*(reader.answers(prompts, heat=0.7, seed=seed) for seed in range(samples)), strict=True))
        pairs = list(zip(drawn, right, strict=True))
        elected = [Counter(some).most_common(1)[0][0] == answer for some, answer in pairs]
        found[f"{name}, a single sample"] = counted([one == answer for some, answer in pairs for one in some])
        found[f"{name}, most frequent of {samples}"] = counted(elected)
        found[f"{name}, any of {samples}"] = counted([answer in some for some, answer in pairs])
    return found


def plans(reader: Reader, count: int) -> Figures:
    """Plans that name every part in order with its level."""
    asked = problems(count, SEEDS["hard"] + 50)
    texts = [planned(problem) for problem in asked]
    written = reader.write([text.parts[0][0] for text in texts])
    return {"plan exact": counted([said == text.learned for said, text in zip(written, texts, strict=True)])}


def judging(reader: Reader, count: int) -> Figures:
    """Whole answers rated, and steps compared."""
    rng, asked = Random(SEEDS["judge"]), problems(count, SEEDS["judge"])
    drawn = [Candidates(rng, problem, Style(rng), {}) for problem in asked]
    ratings, wrong = rated_answers(reader, [outcome(one, 1.0) for one in drawn])
    return {
        "whole answers rated (AUROC)": area([-rating.expected for rating in ratings], wrong),
        "two steps compared": counted(compared(reader, rng, drawn)),
    }


def rated_answers(reader: Reader, texts: Sequence[Text]) -> tuple[list[Rating], list[bool]]:
    """The ratings of solutions, and which of them are wrong."""
    encode, digits = reader.encoder.encode, [reader.encoder.one(str(digit)) for digit in range(10)]
    pairs = [
        (encode(text.parts[0][0]), encode("".join(part for part, _ in text.parts[1:-1]).removesuffix(RATE_ANSWER)))
        for text in texts
    ]
    return rate(reader.model, encode(RATE_ANSWER), digits, pairs), [text.learned == "0" for text in texts]


def compared(reader: Reader, rng: Random, drawn: Sequence[Candidates]) -> list[bool]:
    """Whether the right one of two steps is chosen."""
    prompts, expected = list[str](), list[str]()
    for candidates in drawn:
        text, k = Text().say(asking(candidates.problem.question)), rng.randrange(len(candidates.problem.steps))
        for line in candidates.problem.steps:
            text.say(line.text + DELIMITER)
        compare(text, candidates, k, 1.0)
        at, ((read, _), (said, _)) = text.branches[0]
        prompts.append("".join(part for part, _ in text.parts[:at]) + read)
        expected.append(said)
    return [said[:1] == right for said, right in zip(reader.write(prompts, limit=1), expected, strict=True)]


def first_entropy(reader: Reader, count: int) -> Figures:
    """How well the entropy before a step's first token tells the wrong steps, statements shuffled, 6 to 8 steps."""
    steps = own_steps(reader.model, reader.encoder, problems(count, SEEDS["hard"] + 20, mix=LONG))
    wrong = [step.wrong for step in steps]
    other = [step.written.entropies[0] for step in steps]
    least = [-min(step.written.logprobs) for step in steps]
    return {"first token's entropy (AUROC)": area(other, wrong), "least log-probability (AUROC)": area(least, wrong)}


SKILLS: Mapping[str, Callable[[Reader, int], Figures]] = {
    "hard": hard,
    "induction": induction,
    "notes": notes,
    "cut thinking": cut_thinking,
    "abstention": abstention,
    "votes": votes,
    "plans": plans,
    "judging": judging,
    "own steps, shuffled": first_entropy,
}
