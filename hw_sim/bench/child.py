"""Child processes of the bench that cannot outlive it, however it ends."""

import os
import sys
import threading
from collections.abc import Sequence
from typing import Final

# A second interpreter for one moment: it asks the kernel for SIGKILL at its parent's end (prctl 1, PR_SET_PDEATHSIG),
# looks whether the parent is still there, and becomes the program. Popen's preexec_fn would do it too, but may deadlock
# where the bench has threads.
_TRAMPOLINE: Final = (
    "import ctypes, os, sys; "
    "ctypes.CDLL(None).prctl(1, 9, 0, 0, 0); "
    "os.getppid() == int(sys.argv[1]) or sys.exit(1); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


def tied_to_parent(command: Sequence[str]) -> list[str]:
    """Return ``command`` (its program by full path) so that the kernel kills it when this process ends.

    It has the process id that Popen returns. Call it, and Popen, in the main thread: the kernel means the thread
    that started the child, and would kill it at that thread's end.
    """
    assert threading.current_thread() is threading.main_thread(), "a tied child started outside the main thread"
    return [sys.executable, "-I", "-S", "-c", _TRAMPOLINE, str(os.getpid()), *command]
