"""What can go wrong in an engine, by what a caller may do about it.

HeadgateError
└── BackendError          retryable? and a hint
    ├── RateLimited       yes; after `retry_after_s`, if the server says
    ├── TimedOut          yes; its outcome is unknown, so the attempt is charged in full
    ├── Unreachable       yes; nothing was sent
    ├── EngineFailed      yes, once the engine is rebuilt
    ├── Unread            yes, at once; what it took is known
    ├── ContextTooLong    no; with the figures
    ├── Refused           no; the server will not answer this request
    └── NotAModel         no; what was named holds no model this backend can load
"""

import asyncio

from ..budget.cost import Cost
from ..budget.errors import HeadgateError


class BackendError(HeadgateError):
    """An engine or server failed.

    charged: whether the attempt's outcome is unknown and must be paid in full. usage: what it took, if that is known.
    """

    retryable = False
    charged = True
    usage: Cost | None = None

    def __init__(self, what: str, *, hint: str = "") -> None:
        self.hint = hint
        super().__init__(f"{what}; {hint}" if hint else what)


class RateLimited(BackendError):
    """The server asks for patience, `retry_after_s` seconds of it if it says so."""

    retryable, charged = True, False

    def __init__(self, what: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(what, hint=hint)
        self.retry_after_s = retry_after_s


class TimedOut(BackendError):
    """No answer in time; the server may have done the work."""

    retryable = True


class Unreachable(BackendError):
    """Nothing listens there."""

    retryable, charged = True, False


class EngineFailed(BackendError):
    """The engine died under the call."""

    retryable = True


class Unread(BackendError):
    """The engine took from its cache what it was to read aloud; the next attempt reads it afresh, as a call of its own.

    Two readings in one call could pass the cap that one was reserved under.
    """

    retryable = True

    def __init__(self, what: str, *, usage: Cost) -> None:
        self.usage = usage
        super().__init__(what)


class ContextTooLong(BackendError):
    """The prompt and what it asks for do not fit the model's context."""

    charged = False


class Refused(BackendError):
    """The request itself is not acceptable."""

    charged = False


def rewardless(model: str) -> Refused:
    """What to say where steps are to be scored by a model that cannot."""
    hint = "name a process reward model: a checkpoint that classifies tokens, or one of those in docs/backends.md"
    return Refused(f"`{model}` has no reward head", hint=hint)


class NotAModel(BackendError):
    """What the recipe names cannot be loaded as a model."""

    charged = False


class Cancelled(asyncio.CancelledError):
    """A cancellation that knows what the cancelled call had cost; `Model` settles it and lets the plain one go on."""

    def __init__(self, usage: Cost) -> None:
        self.usage = usage
        super().__init__()
