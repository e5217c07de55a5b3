"""A bench as Markdown: the table, what differs from the baseline, where tokens went, and how all that was counted."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..console.ink import count, dollars
from ..intervals import RESAMPLES
from ..run_folder import version
from .bench import Outcome
from .metrics import Row, by_problem, row
from .records import CLASSES
from .table import interval, models, money, pass_cost, percent, tried

_DOLLARS = "Dollars a problem (µ: millionths)"


def report(outcome: Outcome, pictures: Mapping[str, str]) -> str:
    """The whole of `report.md`. pictures: titles by the path of each, as seen from the report."""
    asked = outcome.asked
    n = len(asked.problems)
    head = [f"# {', '.join(asked.tasks)}: {n} problems, {len(asked.recipes)} recipes", "", *_about(outcome), ""]
    parts = [
        _table(outcome),
        _differences(outcome),
        _tokens(outcome),
        _algebra(outcome),
        _samples(outcome),
        _frontier(outcome),
        _by_task(outcome),
        [line for path, title in pictures.items() for line in (f"![{title}]({path})", "")],
        _notes(outcome),
    ]
    return "\n".join([*head, *(line for part in parts for line in part)]).rstrip() + "\n"


def differences(outcome: Outcome) -> list[str]:
    """What each recipe buys against the baseline, a sentence each."""
    told: list[str] = []
    for one in outcome.differences:
        between = f"{100 * one.low:+.1f} to {100 * one.high:+.1f}"
        of = "" if one.ratio is None else f", at {one.ratio:.2f} of its {'dollars' if outcome.priced else 'tokens'}"
        told.append(f"{one.recipe}: {100 * one.points:+.1f} points to {outcome.asked.baseline} [{between}]{of}")
    return told


def _about(outcome: Outcome) -> list[str]:
    asked, spent = outcome.asked, outcome.spent
    seeds = f"seed {asked.seed}" if asked.seeds == 1 else f"seeds {asked.seed} to {asked.seed + asked.seeds - 1}"
    paid = f", {dollars(spent.nanodollars)}" if spent.nanodollars else ""
    stop = "" if asked.until_width is None else f", each run until its interval is narrower than {asked.until_width}"
    told = [f"- {seeds}{stop}; headgate {version()}"]
    told.append(f"- all runs together: {count(spent.tokens)} tokens{paid}{_beside(outcome)}")
    if not outcome.ended:
        told.append("- **not at its end**: `headgate resume` goes on with it")
    return told


def _beside(outcome: Outcome) -> str:
    """What was spent and is in no row."""
    in_rows = round(sum(one.spent * len(outcome.records[one.recipe]) for one in outcome.rows))
    rest = outcome.spent.tokens - in_rows
    return f"; {count(rest)} of these tokens are in no row: interrupted, or beyond a run's end" if rest > 0 else ""


def _table(outcome: Outcome) -> list[str]:
    names = models(outcome.rows)
    written = [f"{name} wrote" for name in names]
    head = ["recipe", "n", "right, %", "95 %", *written, "target's share", "$", "s", _pass_title(outcome)]
    head += ["E³", "abstained, %", "exhausted, %", "failed, %"]
    return ["## Table", "", *_markdown(head, [_cells(one, names, priced=outcome.priced) for one in outcome.rows]), ""]


def _cells(one: Row, names: Sequence[str], *, priced: bool) -> list[str]:
    wrote = [f"{one.tokens[name]['generated']:.1f}" if name in one.tokens else "-" for name in names]
    share = "-" if one.target_share is None else f"{one.target_share:.2f}"
    cells = [one.recipe, tried(one), percent(one.accuracy), interval(one), *wrote, share, money(one.dollars)]
    cells += [f"{one.seconds:.2f}", pass_cost(one, priced=priced), "-" if one.e3 is None else f"{one.e3:.1f}"]
    return [*cells, *(percent(share) for share in (one.abstained, one.exhausted, one.failed))]


def _differences(outcome: Outcome) -> list[str]:
    if not outcome.differences:
        return []
    what = "dollars" if outcome.priced else "tokens"
    head = ["recipe", "problems of both", "points", "95 %", "p", f"its {what} over those of {outcome.asked.baseline}"]
    rows = [
        [
            one.recipe,
            f"{one.n}",
            f"{100 * one.points:+.1f}",
            f"{100 * one.low:+.1f} to {100 * one.high:+.1f}",
            f"{one.p:.2g}",
            "-" if one.ratio is None else f"{one.ratio:.2f}",
        ]
        for one in outcome.differences
    ]
    return [f"## Against {outcome.asked.baseline}", "", *_markdown(head, rows), ""]


def _tokens(outcome: Outcome) -> list[str]:
    titles = {"input": "input, new", "cached": "input, cached", "kept": "output, kept", "wasted": "output, wasted"}
    titles |= {"judge": "output, judging", "answer": "output, answers", "reasoning": "of that reasoning"}
    rows = [
        [one.recipe, model, *(f"{tokens[name]:.1f}" for name in CLASSES)]
        for one in outcome.rows
        for model, tokens in one.tokens.items()
    ]
    return ["## Where the tokens went", "", *_markdown(["recipe", "model", *titles.values()], rows), ""] if rows else []


def _algebra(outcome: Outcome) -> list[str]:
    if not outcome.algebra:
        return []
    head = ["recipe", "by the draft, %", "D, ms", "V, ms", "T, ms", "a step should take, ms", "and took, ms"]
    head += ["speed-up", "slower below, %"]
    rows = [
        [
            one.recipe,
            percent(one.pair.accept),
            *(f"{ms:.2f}" for ms in (one.pair.draft, one.pair.judge_ms, one.pair.target, one.expected_ms, one.took_ms)),
            f"{one.pair.target / one.expected_ms:.2f}x",
            "-" if one.even is None else percent(one.even),
        ]
        for one in outcome.algebra
    ]
    told = "A step by the draft (D), a decision (V) and a step by the target (T), in busy milliseconds, what each"
    told += " strategy's algebra makes of them (`headgate predict`), and by that the speed-up on the target alone."
    return ["## What a step takes", "", told, "", *_markdown(head, rows), ""]


def _samples(outcome: Outcome) -> list[str]:
    if not outcome.sampled:
        return []
    ks = sorted({k for one in outcome.sampled for k in one.passed})
    head = ["recipe", "of", *(f"pass@{k}" for k in ks), *(f"majority@{k}" for k in ks)]
    rows = [
        [
            one.recipe,
            f"{one.n} {one.of}",
            *(percent(one.passed[k]) if k in one.passed else "" for k in ks),
            *(percent(one.voted[k]) if k in one.voted else "" for k in ks),
        ]
        for one in outcome.sampled
    ]
    return ["## Several samples", "", *_markdown(head, rows), ""]


def _frontier(outcome: Outcome) -> list[str]:
    found = outcome.frontier
    if found is None:
        return []
    chosen = ", ".join(f"{name} {times}" for name, times in found.chosen.items() if times)
    told = f"{_paid(found.low, outcome)} a right answer, were every problem given to the recipe that is cheapest for it"
    told += f" ({chosen}); {percent(1 - found.solved)} % of the problems were solved by none and are left out."
    runs = f"{found.tries} run{'s' if found.tries > 1 else ''}"
    told += f" This is the least of noisy ratios, {runs} of each problem, and errs low: six equal models that are right"
    told += " one time in five, seen eight times each, would seem to cost 2.85 tries a pass, where five are needed."
    if found.high is not None:
        other = _paid(found.high, outcome)
        told += f" Chosen on half of the seeds and measured on the other half it is {other}, which errs high."
    return ["## Frontier cost-of-pass", "", told, ""]


def _paid(value: float, outcome: Outcome) -> str:
    if not math.isfinite(value):
        return "∞"
    return f"${money(value)}" if outcome.priced else f"{count(value)} tokens"


def _by_task(outcome: Outcome) -> list[str]:
    tasks = list(dict.fromkeys(one.task for some in outcome.records.values() for one in some))
    if len(tasks) < 2:
        return []
    rows = [[name, *(_of_task(name, outcome, task) for task in tasks)] for name in outcome.records]
    return ["## By task", "", *_markdown(["right, %", *(task or "-" for task in tasks)], rows), ""]


def _of_task(name: str, outcome: Outcome, task: str) -> str:
    some = [one for one in outcome.records[name] if one.task == task]
    found = row(name, some)
    return f"{percent(found.accuracy)} [{interval(found)}]" if by_problem(some) else "-"


def _notes(outcome: Outcome) -> Iterable[str]:
    return ["## How it was counted", "", *(f"- {note}" for note in notes(outcome))]


def notes(outcome: Outcome) -> Iterator[str]:
    """How to read the figures, and what they leave open."""
    asked = outcome.asked
    if not any(one.accuracy is not None for one in outcome.rows):
        yield "No problem has a reference answer: what is right is unknown, what it cost is not."
    yield "Every recipe sees the same problems in the same order with the same seeds. Figures are means a problem."
    yield f"Intervals are 95 %: Wilson's; for differences the bootstrap over problems, {RESAMPLES:,} times, paired."
    yield "p: how often chance would differ as much: McNemar's exact test; of several seeds, signs flipped at random."
    if asked.until_width is not None:
        yield "Runs that stop when they are precise enough are a little less precise than they say."
    yield f"{_DOLLARS} are those of the price table; nominal ones compare models, and nobody charges them."
    yield (
        f"Seconds are of the clock while {outcome.asked.parallel} problems are worked on together: they hold for this "
        "machine and this load. What of the input was cached depends on them too; all other figures do not."
    )
    yield "Target's share: of all tokens that were written. Cost of a pass: a problem's mean cost over the accuracy."
    yield "E³: accuracy in percent, squared, over the mean of all tokens that were written."


def _pass_title(outcome: Outcome) -> str:
    return "$ a pass" if outcome.priced else "tokens a pass"


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
