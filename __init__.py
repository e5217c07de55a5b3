"""headgate: reasoning strategies over a small and a large language model, under one exact budget.

    from headgate import Agent
    answer = Agent("spec_reason").solve("Tom has 17 apples. Mia has 5 more than Tom. How many does Mia have?")
    print(answer.text, answer.status, answer.cost.dollars)

Names are loaded when first used: `import headgate` loads neither torch nor vllm nor transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backends.base import Backend, Capabilities, Context, Sampling
    from .budget.cost import Cost, Limits
    from .budget.errors import BudgetExceeded, HeadgateError
    from .budget.events import Event, Sink
    from .budget.ledger import Ledger
    from .orchestrator.agent import Agent, Solved
    from .orchestrator.errors import GraphError, RecipeError
    from .strategies.base import Answer, Run
    from .verifiers.base import Problem, Score, Step

__version__ = "0.1.0"

_HOMES = {
    "Agent": "orchestrator.agent",
    "Answer": "strategies.base",
    "Backend": "backends.base",
    "BudgetExceeded": "budget.errors",
    "Capabilities": "backends.base",
    "Context": "backends.base",
    "Cost": "budget.cost",
    "Event": "budget.events",
    "GraphError": "orchestrator.errors",
    "HeadgateError": "budget.errors",
    "Ledger": "budget.ledger",
    "Limits": "budget.cost",
    "Problem": "verifiers.base",
    "RecipeError": "orchestrator.errors",
    "Run": "strategies.base",
    "Sampling": "backends.base",
    "Score": "verifiers.base",
    "Sink": "budget.events",
    "Solved": "orchestrator.agent",
    "Step": "verifiers.base",
}

__all__ = [
    "Agent",
    "Answer",
    "Backend",
    "BudgetExceeded",
    "Capabilities",
    "Context",
    "Cost",
    "Event",
    "GraphError",
    "HeadgateError",
    "Ledger",
    "Limits",
    "Problem",
    "RecipeError",
    "Run",
    "Sampling",
    "Score",
    "Sink",
    "Solved",
    "Step",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"headgate has no `{name}`; it has {', '.join(__all__)}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
