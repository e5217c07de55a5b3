"""One thread for one small model: torch's own setting is for the whole process, and that belongs to the user.

Where we differ from `torch.set_num_threads`: it sets MKL's count for every thread. Here the counts of OpenMP and MKL
are set for the calling thread alone, through the functions that torch's own library exports. On two busy cores a tiny
model was fifteen times slower with a second thread, since each operation then waits for a thread that is not running.
"""

import ctypes
from contextlib import suppress
from pathlib import Path

import torch


def keep_to_one_thread() -> None:
    """Compute on the calling thread only; does nothing where torch's library is built another way."""
    torch.get_num_threads()  # torch sets a new thread's count at its first use, which would undo ours
    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib"):
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / name))
            library.omp_set_num_threads(1)
            library.MKL_Set_Num_Threads_Local(1)  # the C spelling; the lower-case one takes a pointer
