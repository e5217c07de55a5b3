"""One thread for one small model: torch's own setting is for the whole process, and that belongs to the user.

Where we differ from `torch.set_num_threads`: it sets MKL's count for every thread. Here the counts of OpenMP and MKL
are set for the calling thread alone, through the functions that torch's own library exports. On two busy cores a tiny
model was fifteen times slower with a second thread, since each operation then waits for a thread that is not running.
"""

import ctypes
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch


def keep_to_one_thread() -> None:
    """Compute on the calling thread only; does nothing where torch's library is built another way."""
    torch.get_num_threads()  # torch sets a new thread's count at its first use, which would undo ours
    if library := _library():
        library.omp_set_num_threads(1)
        library.MKL_Set_Num_Threads_Local(1)  # the C spelling; the lower-case one takes a pointer


@contextmanager
def one_thread() -> Generator[None]:
    """The same for as long as the block lasts; then the calling thread has its counts back."""
    library = _library() if torch.get_num_threads() > 1 else None
    if library is None:
        yield
        return
    threads = library.omp_get_max_threads()
    library.omp_set_num_threads(1)
    local = library.MKL_Set_Num_Threads_Local(1)  # 0 where the thread had none of its own
    try:
        yield
    finally:
        library.omp_set_num_threads(threads)
        library.MKL_Set_Num_Threads_Local(local)


@cache
def _library() -> ctypes.PyDLL | None:
    """What torch computes with; its functions are called without giving up the interpreter's lock."""
    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib"):
        try:
            library = ctypes.PyDLL(str(Path(torch.__file__).parent / "lib" / name))
            _ = library.omp_get_max_threads, library.omp_set_num_threads, library.MKL_Set_Num_Threads_Local
        except (OSError, AttributeError):
            continue
        return library
    return None
