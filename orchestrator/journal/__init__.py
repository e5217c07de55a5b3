"""A run's journal: one append-only file, the only truth about the run, from which another process goes on.

Every line is a JSON object: the header first, then one for each event but tokens. See `lines` for the format, `writer`
for what is durable when, `reader` for what a damaged file gives, `past` for what a resumed run begins with.
"""

from .blobs import Blobs
from .lines import Header
from .lock import held
from .past import Ended, Past, answer_of, past
from .reader import Reading, follow, read
from .writer import Journal, Level

__all__ = [
    "Blobs",
    "Ended",
    "Header",
    "Journal",
    "Level",
    "Past",
    "Reading",
    "answer_of",
    "follow",
    "held",
    "past",
    "read",
]
