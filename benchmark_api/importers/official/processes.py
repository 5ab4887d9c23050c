"""What the worker processes of an import and an export have in common."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading


def start_worker() -> None:
    """Let this worker process leave Ctrl-C to its parent, and end when the parent does, even if that is killed.

    A worker of `ProcessPoolExecutor` would wait for ever: it holds both ends of the pipe that its work comes through.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
