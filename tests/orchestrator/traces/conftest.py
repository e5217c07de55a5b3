"""A run told event by event, with a bit of everything, on a clock that the teller moves."""

from pathlib import Path

import pytest

from headgate.budget.cost import Cost
from headgate.budget.events import Event, Trace
from headgate.orchestrator.journal import Header, Journal
from headgate.orchestrator.traces import RunTree

RECIPE = """
version: 1
models: {draft: 'local:embedded/draft', target: 'local:embedded/target'}
budget:
  each: {tokens: 20000, seconds: 120}
  total: {dollars: 0.5}
nodes:
  plan: {use: direct}
  solve: {use: spec_reason, budget: {tokens: 4000}, needs: [plan]}
  check: {use: direct, needs: [solve]}
"""
DIGITS = (0.01, 0.02, 0.05, 0.3, 0.5, 0.1, 0.02, 0.0, 0.0, 0.0)
WASTED = Cost(input=10, cached_input=30, output=4, calls=1, nanodollars=400, seconds=0.5)
HOSTILE = "\x1b[2J\x1b[31mred\u202egnirts</script>[bold]x[/bold]"


class Kept:
    """A sink that remembers."""

    streaming = False

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event) -> None:
        self.events.append(event)

    async def flush(self) -> None: ...


class Teller:
    """Tells a run: every telling moves the clock by a second, or by as much as it is told."""

    def __init__(self, *more: Journal) -> None:
        self.now, self.kept = 0.0, Kept()
        self.trace = Trace(self.kept, *more, clock=lambda: self.now)

    def tell(self, kind: str, path: str, parent: int | None = None, cost: Cost | None = None, **told: object) -> int:
        number = self.trace.tell(kind, path, parent, cost, told)  # type: ignore[arg-type]
        self.now += 1
        return number

    def call(
        self, path: str, role: str, purpose: str, text: str = "", output: int = 4, stop: str = "delimiter"
    ) -> Cost:
        """A call that leaves and comes back."""
        who = {"role": role, "purpose": purpose}
        held = Cost(input=40, output=64, calls=1, nanodollars=3_000)
        dear = 10 if role == "target" else 1
        spent = Cost(input=10, cached_input=30, output=output, calls=1, nanodollars=dear * 100 * output, seconds=0.5)
        out = self.tell("reserve", path, cost=held, tokens=64, shrunk=False, **who)
        self.tell("settle", path, out, cost=spent, stop=stop, text=text, unmeasured=False, **who)
        return spent

    def step(
        self, scope: str, index: int, author: str, text: str, *, score: float | None = None, **told: object
    ) -> None:
        """A step of a chain: its call, its judge's where it has a score, and what was decided."""
        cost = self.call(scope, author, "think", text)
        if score is not None:
            self.call(scope, "target", "judge", output=1, stop="")
            told |= {"score": score, "digits": DIGITS}
        told = {"kept": True, "reason": f"{score:.2f} of 9" if score else "", "stop": "delimiter", "tokens": 4} | told
        self.tell("step", f"{scope}/step-{index}", cost=cost, index=index, author=author, text=text, **told)

    def begin(self, problem: str, question: str) -> None:
        self.tell("problem_start", problem, question=question, id=problem)

    def end(self, problem: str, answer: str, correct: bool | None, status: str = "answered", reason: str = "") -> None:
        self.tell("problem_end", problem, status=status, answer=answer, correct=correct, reason=reason)


def story(teller: Teller, *, rewritten: str = "Max:8*Lea189;Max1512.\n\n", answer: str = "1514") -> list[Event]:
    """Three problems: one with a step that was written again, one that had trouble, one that is still at work."""
    teller.tell("run_start", "", recipe=RECIPE, name="cascade", seed=3)
    teller.begin("p1", "Lea has 189, Max 8 times as many, Sam 2 more than Max. How many has Sam?")
    teller.tell("node_start", "p1/plan", strategy="direct", roles={"model": "draft"})
    teller.call("p1/plan", "draft", "answer", "first Max, then Sam", stop="eos")
    teller.tell("node_end", "p1/plan", status="answered", text="first Max, then Sam", reason="")
    teller.tell("node_start", "p1/solve", strategy="spec_reason", roles={"draft": "draft", "target": "target"})
    figures = {"lengths": (3, 1, 3, 3), "logprobs": (-0.05, -0.01, -1.9, 0.0), "entropies": (0.2, 0.0, 1.4, 0.01)}
    teller.step("p1/solve", 0, "draft", "Lea:189.\n\n", score=8.8, **figures)
    wrong = {"kept": False, "reason": "3.89 of 9, below 7"}
    teller.step("p1/solve", 1, "draft", "Max:8*Lea189;Max1432.\n\n", score=3.89, **wrong)
    teller.tell("rebook", "p1/solve", cost=WASTED, role="draft", was="think", now="wasted")
    teller.step("p1/solve", 1, "target", rewritten)
    teller.step("p1/solve", 2, "draft", f"Sam:Max1512+2;Sam{answer}.\n\n", score=8.9)
    teller.call("p1/solve", "draft", "answer", f"\\boxed{{{answer}}}", stop="eos")
    teller.tell("node_end", "p1/solve", status="answered", text=answer, reason="")
    teller.tell("node_skip", "p1/check", reason="solve answered")
    teller.end("p1", answer, answer == "1514")
    trouble(teller)
    teller.begin("p3", "What is 2+2?")
    teller.tell("node_start", "p3/solve", strategy="spec_reason", roles={})
    teller.tell("reserve", "p3/solve", cost=Cost(input=40, output=64), role="draft", purpose="think", tokens=64)
    return teller.kept.events


def trouble(teller: Teller) -> None:
    """A problem with a retry, a wait, a refusal, a tool and hostile text; it ends for lack of budget."""
    teller.begin("p2", f"What is 6*7? {HOSTILE}")
    teller.tell("node_start", "p2/solve", strategy="spec_reason", roles={})
    teller.tell("retry", "p2/solve", role="draft", error="rate limited", attempt=1, wait_s=2.0)
    teller.now += 2
    teller.step("p2/solve", 0, "draft", HOSTILE, score=8.0)
    asked = teller.tell("tool_start", "p2/solve", tool="calculator", arguments={"sum": "6*7"})
    teller.tell("tool_end", "p2/solve", asked, cost=Cost(tool_calls={"calculator": 1}), tool="calculator", result="42")
    teller.tell("wait", "p2/solve", asked=104, unit="tokens", scope="p2")
    teller.now += 3
    teller.call("p2/solve", "target", "think", "six times seven")
    refusal = {"unit": "tokens", "asked": 104, "left": 12}
    teller.tell("refuse", "p2/solve", role="draft", purpose="think", **refusal)
    teller.tell("note", "p2/solve", text="the leash ended")
    teller.tell("node_end", "p2/solve", status="exhausted", text="42", reason="12 tokens left, 104 asked")
    teller.end("p2", "42", True, "exhausted", "12 tokens left, 104 asked")


def told(events: list[Event], name: str = "x") -> RunTree:
    tree = RunTree(name)
    for event in events:
        tree.take(event)
    return tree


@pytest.fixture
def tree() -> RunTree:
    """The story as a tree."""
    return told(story(Teller()))


def kept_run(folder: Path, **changes: str) -> Path:
    """The story as a run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    header = Header(run="r1", recipe="0" * 16, headgate="0.1.0", created="2026-01-02T03:04:05.000+00:00")
    journal = Journal.create(folder / "journal.jsonl", header, "off")
    story(Teller(journal), **changes)
    journal.close()
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return folder
