"""Everything that is known of one part of a run, as lines to read."""

from collections.abc import Iterator, Sequence
from functools import singledispatchmethod
from typing import Final

from rich.cells import chop_cells

from ...budget.cost import Cost
from ..console.ink import count, dollars, duration, folded, harmless
from ..console.line import Line, wrapped
from ..traces import Call, Item, Remark, RunTree, Scope, Step, Tally, Tool, Wait, changes
from .budgets import budgets
from .heat import digits, heat, legend
from .words import BAD, GOOD, Words, arguments, moment, remark, unit

_LABEL: Final = 11
_SIDES: Final = {"left": ("-", BAD), "right": ("+", GOOD)}


class Detail:
    """Tells of one item; `width` is that of the pane."""

    def __init__(self, tree: RunTree, words: Words, width: int) -> None:
        self.tree, self.words, self.width = tree, words, max(24, width)

    @singledispatchmethod
    def of(self, item: Item) -> list[Line]:
        """The lines of an item."""
        raise TypeError(type(item).__name__)

    @of.register
    def _(self, item: Step) -> list[Line]:
        colour = self.words.palette[item.author]
        verdict = "" if item.kept else ", rejected"
        lines = [Line(f"step {item.index + 1} of {folded(item.scope_path)} by ", "bold")]
        lines[0].append(folded(item.author), f"bold {colour}").append(verdict, f"bold {BAD}")
        lines += [Line(line, colour if item.kept else "") for line in wrapped(self._text(item), self.width)]
        lines += self._why(item)
        lines += self._instead(item)
        lines += self._rated(item)
        if found := heat(item.tokens(), self.width):
            lines += [Line("token by token", "bold"), *found, legend(entropies=bool(item.entropies)).cut(self.width)]
        lines += self._told("cost", spent(item.cost) + f", stopped at {folded(item.stop) or 'nothing that was told'}")
        lines += self._told("when", f"{moment(item.began)}, decided after {duration(item.ended - item.began)}")
        return lines

    @of.register
    def _(self, item: Scope) -> list[Line]:
        title = "the run" if item.kind == "run" else f"{item.kind} {folded(item.path)}"
        lines = [
            Line(title, "bold").append(f"  {folded(item.strategy)}", "dim"),
            self.words.outcome(item).cut(self.width),
        ]
        lines += self._told("question", harmless(item.question)) if item.question else []
        lines += self._told("answer", harmless(item.text)) if item.text else []
        lines += self._told("why", harmless(item.reason)) if item.reason else []
        told = f"{item.kept} kept, {item.rejected} rejected, {item.judged} ratings"
        lines += self._told("steps", told) if item.kept + item.rejected else []
        trouble = {"retries": item.retries, "refusals": item.refusals, "waits for budget": item.waited}
        said = ", ".join(f"{n} {name}" for name, n in trouble.items() if n)
        lines += self._told("trouble", said) if said else []
        lines += self._told("cost", spent(item.total))
        for name, tally in item.by_model().items():
            lines += self._told(f"  {name}"[: _LABEL - 1], spent(tally))
        lines += self._told("when", f"{moment(item.began)}, for {duration(item.seconds)}{self._needs(item)}")
        roles = ", ".join(f"{role} is {name}" for role, name in item.roles.items() if role != name)
        lines += self._told("roles", folded(roles)) if roles else []
        return lines + budgets(self.tree, item, self.width, self.words)

    @of.register
    def _(self, item: Call) -> list[Line]:
        lines = [Line(f"a call of {folded(item.role)} to {folded(item.purpose)} in {folded(item.path)}", "bold")]
        lines += [Line(line) for line in wrapped(harmless(item.text).rstrip(), self.width)] if item.text else []
        lines += self._told("error", harmless(item.error)) if item.error else []
        shrunk = ", fewer than it asked for: the budget had no more" if item.shrunk else ""
        lines += self._told("might write", f"{item.granted} tokens{shrunk}")
        lines += self._told("held", spent(item.held))
        if item.ended is None:
            out = "it is out" if self.tree.live else "its end was never told"
            return lines + self._told("ended", out)
        doubt = ", charged in full: nobody measured it" if item.unmeasured else ""
        lines += self._told("cost", spent(item.cost) + doubt)
        lines += self._told("stopped", folded(item.stop)) if item.stop else []
        return lines + self._told("when", f"{moment(item.began)}, for {duration(item.ended - item.began)}")

    @of.register
    def _(self, item: Tool) -> list[Line]:
        lines = [Line(f"the tool {folded(item.tool)} in {folded(item.path)}", "bold")]
        lines += self._told("arguments", harmless(arguments(item)))
        lines += self._told("result", harmless(item.result)) if item.ended is not None and not item.error else []
        lines += self._told("error", harmless(item.error)) if item.error else []
        lines += self._told("price", dollars(item.cost.nanodollars) if item.cost.nanodollars else "nothing")
        lasted = duration((item.ended or item.began) - item.began)
        return lines + self._told("when", f"{moment(item.began)}, for {lasted}")

    @of.register
    def _(self, item: Wait) -> list[Line]:
        lines = [Line(f"waits for budget in {folded(item.path)}", "bold")]
        who = f" by {folded(item.role)} ({folded(item.purpose)})" if item.role else ""
        lines += self._told("asked", f"{count(item.asked)} {unit(item.unit)}{who}")
        lines += self._told("limit of", folded(item.scope) if item.scope else "a scope above")
        ended = "still waits" if item.ended is None else f"for {duration(item.ended - item.began)}"
        return lines + self._told("when", f"{moment(item.began)}, {ended}{', then refused' if item.refused else ''}")

    @of.register
    def _(self, item: Remark) -> list[Line]:
        lines = [Line(f"{folded(item.kind)} in {folded(item.path) or 'the run'}", "bold")]
        lines += [Line(line) for line in wrapped(remark(item), self.width)]
        facts = ((name, value) for name, value in item.facts.items() if name not in ("text", "recipe"))
        lines += [line for name, value in facts for line in self._told(folded(name), harmless(value))]
        return lines + self._told("when", moment(item.began))

    # -- parts ------------------------------------------------------------------------------------------------

    def _text(self, item: Step) -> str:
        said = harmless(item.text).rstrip()
        return said or ("(ends its thinking)" if item.stop == "think_end" else "(empty)")

    def _why(self, item: Step) -> Iterator[Line]:
        """The router's decision: the score and its reason."""
        kept = "kept" if item.kept else "rejected"
        score = "" if item.score is None else f" at {item.score:.2f}"
        score += f" by {folded(item.signal)}" if item.signal else ""
        unrated = ", unrated" if item.score is None and item.kept else ""
        yield from self._told("why", f"{kept}{score}{unrated}{f': {harmless(item.reason)}' if item.reason else ''}")

    def _rated(self, item: Step) -> Iterator[Line]:
        """The judge's digits, and what the rating cost."""
        if item.digits:
            yield Line(f"{'digits':<{_LABEL}}", "dim").extend(digits(item.digits, utf8=self.words.utf8)).cut(self.width)
        for call in item.judged:
            yield from self._told("judged by", f"{folded(call.role)}: {spent(call.cost)}")

    def _instead(self, item: Step) -> Iterator[Line]:
        """What was thrown away, and what stands in its place, with what differs marked."""
        pairs = [(item, item.instead)] if item.instead else [(draft, item) for draft in item.rejected]
        for old, new in pairs:
            yield Line(f"{folded(new.author)} wrote instead of {folded(old.author)}", "bold")
            yield from self.difference(old.text, new.text)

    def difference(self, left: str, right: str) -> Iterator[Line]:
        """Two texts below each other, what only one has underlined."""
        found = changes(harmless(left).rstrip(), harmless(right).rstrip())
        for side, (sign, style) in _SIDES.items():
            parts = [(change.text, change.kind) for change in found if change.kind in ("same", side)]
            yield from _wrapped(parts, sign, style, self.width)

    def _told(self, name: str, text: str) -> list[Line]:
        """A label, and a text beside it that may take several lines."""
        first, *rest = wrapped(text, self.width - _LABEL)
        return [Line(f"{name:<{_LABEL}}", "dim").append(first), *(Line(" " * _LABEL + line) for line in rest)]

    def _needs(self, item: Scope) -> str:
        needs = [folded(path.rpartition("/")[2]) for path in self.tree.plan.needs_of(item.path)]
        return f", after {', '.join(needs)}" if needs else ""


def spent(cost: Tally | Cost) -> str:
    """A cost in words."""
    counts = ((cost.output, "written"), (cost.input, "read"), (cost.cached_input, "from cache"))
    said = [f"{count(n)} {name}" for n, name in counts if n]
    said += [dollars(cost.nanodollars)] if cost.nanodollars else []
    said += [f"{duration(cost.seconds)} busy"] if cost.seconds else []
    return ", ".join(said) or "nothing"


def _wrapped(parts: Sequence[tuple[str, str]], sign: str, style: str, width: int) -> Iterator[Line]:
    """Stretches of text as lines that begin with a sign; what is on one side alone is underlined."""
    line = Line(f"{sign} ", style)
    for text, kind in parts:
        for i, piece in enumerate(text.split("\n")):
            if i:
                yield line
                line = Line("  ")
            while piece:
                if (room := width - line.cell_len) < 2:
                    yield line
                    line, room = Line("  "), width - 2
                fits = chop_cells(piece, room)[0]
                line.append(fits, "" if kind == "same" else f"bold underline {style}")
                piece = piece[len(fits) :]
    yield line
