"""What can go wrong with workers, beside what goes wrong in them."""

from ...budget.errors import HeadgateError


class FleetError(HeadgateError):
    """No worker can work: nothing more is solved, and what was being solved has not failed."""


class WorkerDied(HeadgateError):
    """Every worker that took up this problem died over it."""


class WorkerError(HeadgateError):
    """An error of a worker that is none of ours, in its own words."""


def carried(error: Exception) -> Exception:
    """An error as it crosses processes: itself where it survives that, else its words."""
    import pickle

    try:
        again = pickle.loads(pickle.dumps(error))
        if isinstance(error, HeadgateError) and type(again) is type(error) and str(again) == str(error):
            return error
    except Exception:  # whatever a foreign class does when it is copied
        pass
    return WorkerError(str(error) if isinstance(error, HeadgateError) else f"{type(error).__name__}: {error}")
