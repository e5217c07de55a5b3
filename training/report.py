"""The figures of an evaluation as Markdown tables, and their place in the model card."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]
BEGIN, END = "<!-- figures: begin (written by headgate.training.evaluate) -->", "<!-- figures: end -->"


def markdown(figures: Figures) -> str:
    """All tables, one section each."""
    parts = (overview, skills, by_steps, by_operation, signals, acceptance, routing, curve)
    return "\n\n".join(part(figures) for part in parts) + "\n"


def put_into_card(card: Path, text: str) -> None:
    """Replace what stands between the card's two marks; Raises ValueError where a mark is missing."""
    before, found, rest = card.read_text().partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{card} has no place for figures; it takes the lines {BEGIN!r} and {END!r}")
    card.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def share(counted: Figures, digits: int = 3) -> str:
    shown = [f"{counted[name]:.{digits}f}" for name in ("share", "low", "high")]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"


def area(found: Figures) -> str:
    if math.isnan(found["auroc"]):
        return "-"
    return f"{found['auroc']:.3f} ± {found['half']:.3f}"


def overview(figures: Figures) -> str:
    draft, target, measured = figures["draft"], figures["target"], figures["measured"]
    rows = [
        ("parameters", *(f"{m['parameters']:,}" for m in (draft, target))),
        ("weights, fp32", *(f"{m['bytes'] / 1e6:.2f} MB" for m in (draft, target))),
        ("accuracy, standard", *(share(m["accuracy"]["all"]) for m in (draft, target))),
        ("accuracy, statements shuffled", *(share(m["shuffled"]["all"]) for m in (draft, target))),
        ("wrong steps behind right ones", *(share(m["step_error"]["all"], 4) for m in (draft, target))),
        (
            "same tokens as `transformers`",
            *(agreed(m) for m in (draft, target)),
        ),
        *training_rows(draft, target),
    ]
    took = f"{measured['seconds'] / 60:.1f} minutes"
    note = f"Measured on {measured['machine']}, in {took}; {measured['problems']} problems."
    return f"### The pair\n\n{table(('', 'draft', 'target'), rows)}\n\n{note}"


def agreed(model: Figures) -> str:
    return f"{model['agreement']['same']} of {model['agreement']['n']}"


def training_rows(draft: Figures, target: Figures) -> list[tuple[str, str, str]]:
    both = (draft["training"], target["training"])
    if not all(both):
        return []
    tokens, minutes = (f"{t['tokens'] / 1e6:.1f} M" for t in both), (f"{t['seconds'] / 60:.0f}" for t in both)
    return [("training tokens, padded", *tokens), ("training minutes", *minutes)]  # type: ignore[list-item]


def skills(figures: Figures) -> str:
    """What each can do beside solving, condition by condition."""
    draft, target = figures["draft_skills"], figures["target_skills"]
    rows = [
        (name, condition, skilled(draft[name][condition]), skilled(found), str(found["n"]))
        for name, conditions in target.items()
        for condition, found in conditions.items()
    ]
    return f"### Skills\n\n{table(('skill', 'condition', 'draft', 'target', 'n'), rows)}"


def skilled(found: Figures) -> str:
    """A share, an area under the curve, or a mean."""
    return share(found) if "share" in found else area(found) if "auroc" in found else f"{found['mean']:.2f}"


def by_steps(figures: Figures) -> str:
    draft, target = (figures[role]["accuracy"]["by_steps"] for role in ("draft", "target"))
    rows = [(k, share(draft[k]), share(target[k]), str(draft[k]["n"])) for k in draft]
    return f"### Accuracy by number of steps\n\n{table(('steps', 'draft', 'target', 'problems'), rows)}"


def by_operation(figures: Figures) -> str:
    draft, target = (figures[role]["step_error"]["by_operation"] for role in ("draft", "target"))
    rows = [(k, share(draft[k]), share(target[k]), str(draft[k]["n"])) for k in draft]
    head = ("operation", "draft", "target", "steps")
    return f"### Wrong steps behind right ones, by operation\n\n{table(head, rows)}"


def signals(figures: Figures) -> str:
    """Areas under the curve, overall and within each operation."""
    found = figures["signals"]
    names = list(next(iter(found.values()))["overall"])
    rows = [(name, *(area(at["overall"][name]) for at in found.values())) for name in names]
    first = table(("what tells the draft's wrong steps (AUROC)", *found), rows)
    operations = list(next(iter(found.values()))["rating_within_operation"])
    inner = [(k, *(within(at["rating_within_operation"].get(k)) for at in found.values())) for k in operations]
    second = table(("expected rating, within one operation", *found), inner)
    sizes = ", ".join(
        f"{at['overall'][names[0]]['wrong']} of {at['overall'][names[0]]['n']} at {t}" for t, at in found.items()
    )
    return f"### Telling wrong steps\n\nWrong steps of the draft: {sizes}.\n\n{first}\n\n{second}"


def within(found: Figures | None) -> str:
    return "-" if found is None or found["wrong"] < 3 else f"{area(found)} ({found['wrong']} of {found['n']})"


def acceptance(figures: Figures) -> str:
    accepted = next(iter(figures["signals"].values()))["accepted"]
    rows = [(t, share(at["right"]), share(at["wrong"])) for t, at in accepted.items()]
    head = ("expected rating at least", "of right steps", "of wrong steps")
    return f"### Accepted steps\n\n{table(head, rows)}"


def routing(figures: Figures) -> str:
    """SpecReason by threshold on both sets of problems."""
    sets = figures["routing"]
    alone = [(f"{who} alone", *(share(at[f"{who}_alone"]) for at in sets.values())) for who in ("draft", "target")]
    thresholds = list(next(iter(sets.values()))["thresholds"])
    rows = [(f"rating >= {t}", *(routed(at["thresholds"][t]) for at in sets.values())) for t in thresholds]
    head = ("", *(f"{name} (n {at['target_alone']['n']})" for name, at in sets.items()))
    note = "Behind the semicolon: the share of the final text that the target wrote."
    return f"### The draft writes, the target rates and redoes\n\n{table(head, [*alone, *rows])}\n\n{note}"


def routed(at: Figures) -> str:
    return f"{share(at)}; {at['target_tokens']:.2f}"


def curve(figures: Figures) -> str:
    """How loss and checks went down and up with the tokens."""
    parts = []
    for role in ("draft", "target"):
        training = figures[role]["training"]
        if not training:
            continue
        rows = [
            (f"{x['tokens'] / 1e6:.1f}", f"{x['loss']:.3f}", f"{x['rating_loss']:.3f}", f"{x['rate']:.2f}")
            for x in training["curve"]
        ]
        parts.append(f"{role.capitalize()}:\n\n" + table(("M tokens", "loss", "rating loss", "rate"), rows))
        checks = [
            (f"{c['tokens'] / 1e6:.1f}", f"{c['accuracy']:.2f}", f"{c.get('rating_auroc', math.nan):.3f}")
            for c in training["checks"]
        ]
        if checks:
            parts.append(table(("M tokens", "accuracy (n 100)", "rating AUROC"), checks))
    return "### Training\n\n" + ("\n\n".join(parts) or "No log was given.")
