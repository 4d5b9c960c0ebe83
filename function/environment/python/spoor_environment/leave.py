"""The end of the process."""

import atexit
import os
import sys
import threading

# Before it speaks for itself (main.py): goodbye has been said.
_exit_now = os._exit


def leave(code):
    """
    As the interpreter would, but that it does not take itself apart: it does that under the feet of threads which still run, ours
    that wait on their connections and the function's, and a process may die of that by a signal that nobody sent.
    """
    try:
        # Threads that are no daemons are waited for, as ever.
        threading._shutdown()
        atexit._run_exitfuncs()
    except BaseException as error:  # noqa: BLE001 - somebody else's, and there is nobody left to tell
        print(f"cannot end in order: {error!r}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    _exit_now(code)
