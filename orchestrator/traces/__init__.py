"""A run as a tree that grows with its events: the one model behind the terminal's viewer and the browser's page.

`RunTree.take` folds one event in, in constant time; what a view needs beyond the tree is worked out when it is asked
for. Nothing here draws anything.
"""

from .batch import Row, rows
from .differences import Change, Pair, batches, changes, sides
from .parts import Call, Item, Remark, Scope, Step, Token, Tool, Wait
from .plan import Plan
from .reading import Source, load
from .tally import Tally
from .timeline import Bar, Busy, Lane, lanes
from .tree import RunTree

__all__ = [
    "Bar",
    "Busy",
    "Call",
    "Change",
    "Item",
    "Lane",
    "Pair",
    "Plan",
    "Remark",
    "Row",
    "RunTree",
    "Scope",
    "Source",
    "Step",
    "Tally",
    "Token",
    "Tool",
    "Wait",
    "batches",
    "changes",
    "lanes",
    "load",
    "rows",
    "sides",
]
