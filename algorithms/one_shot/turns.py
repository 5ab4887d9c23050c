"""Functions that take turns: each runs until it asks for something, and what all of them ask for is answered at once.

Code that is written for one search thus runs for many, and what the searches have in common is computed together. Each function
has a thread, because only a thread can wait anywhere, also within PyTorch's backward pass. One thread runs at a time, in a fixed
order, so nothing depends on how the system schedules them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

Ask = Callable[[Any], Any]
"""Waits for the answer to a request, and returns it."""


def take_turns(functions: Sequence[Callable[[Ask], None]], answer: Callable[[list[Any]], list[Any]]) -> None:
    """Run functions until all have ended.

    Args:
        functions: each takes a function `ask`, which waits until every other function has ended or asks for something too, and
            returns the answer to its request.
        answer: returns the answers to a list of requests. It runs in the calling thread.

    Raises:
        BaseException: whatever one of the functions, or `answer`, has raised; the other functions are ended first.
    """
    turns = [_Turn(function) for function in functions]
    try:
        waiting = [turn for turn in turns if turn.proceed(None)]
        while waiting:
            answers = answer([turn.request for turn in waiting])
            waiting = [turn for turn, given in zip(waiting, answers, strict=True) if turn.proceed(given)]
    finally:
        for turn in turns:
            turn.cancel()


class _Cancelled(BaseException):
    """Ends a function whose answer will not come; no `except Exception` stops it."""


class _Turn(threading.Thread):
    """A function in a thread that works while the calling thread waits, and waits while that one works.

    Attributes:
        request: what the function asks for.
    """

    def __init__(self, function: Callable[[Ask], None]) -> None:
        super().__init__(daemon=True)
        self.request: Any = None
        self._function = function
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._pauses: SimpleQueue[tuple[bool, BaseException | None]] = SimpleQueue()  # whether the function has ended, and how
        self._cancelled = False
        self.start()

    def proceed(self, answer: Any) -> bool:
        """Let the function work with an answer; return whether it asks for more. It has ended otherwise."""
        self._answers.put(answer)
        ended, error = self._pauses.get()
        if error is not None:
            raise error
        return not ended

    def cancel(self) -> None:
        """End the function if it has not ended yet."""
        self._cancelled = True
        self._answers.put(None)
        self.join()

    def run(self) -> None:
        error = None
        try:
            self._receive()
            self._function(self._ask)
        except _Cancelled:
            pass
        except BaseException as raised:  # it is raised in the calling thread
            error = raised
        self._pauses.put((True, error))

    def _ask(self, request: Any) -> Any:
        self.request = request
        self._pauses.put((False, None))
        return self._receive()

    def _receive(self) -> Any:
        answer = self._answers.get()
        if self._cancelled:
            raise _Cancelled
        return answer
