"""The recipe language: a file with positions, its schema, its checks, and the graph and models it stands for."""

from .admission import check_capabilities, check_question, open_backends, price
from .checks import graph
from .recipe import Budget, Executor, Recipe, load, loads, of, override, shipped
from .resolved import dump, dump_limits, dump_model

__all__ = [
    "Budget",
    "Executor",
    "Recipe",
    "check_capabilities",
    "check_question",
    "dump",
    "dump_limits",
    "dump_model",
    "graph",
    "load",
    "loads",
    "of",
    "open_backends",
    "override",
    "price",
    "shipped",
]
