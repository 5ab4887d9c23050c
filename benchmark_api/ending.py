"""How a command ends: whatever ends it, it says so in one line, and nothing is left half done.

Signals that end a process (SIGINT, SIGTERM, SIGHUP) interrupt a command once; it then cleans up undisturbed. A process whose
mapped file was truncated by another program gets SIGBUS, and would end without a word.
"""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType, TracebackType
from typing import NoReturn, TextIO

from benchmark_api.text import ExplainedError, shown

FAILED, WRONG, INTERRUPTED = 1, 2, 128
"""Exit statuses: a job failed, the input is wrong; interrupted, plus the signal's number."""

_SIGNALS = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in signal.Signals.__members__)


class Interrupted(KeyboardInterrupt):
    """A signal asks the process to end."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.status = INTERRUPTED + number


def expect_interrupts() -> None:
    """Answer a signal with one line from now on. For a program, before the imports that take a second.

    The process ends at once: an exception in the middle of an import comes out of it as another one, if at all.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # `nohup` ignores SIGHUP
            signal.signal(number, _end_before_work)
    sys.excepthook = _tell_uncaught


def answer(parse: Callable[[], Callable[[], int | None]], interrupted: str, *expected: type[Exception]) -> int:
    """Run a command; return its exit status, or another one with a line on standard error.

    Args:
        parse: returns the command, which returns its exit status, or None for 0.
        interrupted: what an interrupt means for the command's work.
        *expected: errors that are answered by `FAILED`, others than those of wrong input.
    """
    with _interruptible(), _bus_errors_told():
        try:
            with redirect_stdout(sys.stdout or _Shown(None)):  # a help is printed to it, and it may be closed
                command = parse()
            with redirect_stdout(_Shown(sys.stdout)):
                status = command()
                sys.stdout.flush()
        except BrokenPipeError:  # the reader, such as `head`, has left
            _discard_output()
            return FAILED
        except KeyboardInterrupt as error:
            tell(interrupted)
            return getattr(error, "status", INTERRUPTED + signal.SIGINT)
        except MemoryError:
            tell("error: not enough memory")
            return FAILED
        except (ImportError, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None and error.filename is None:
                _discard_output()  # it may be standard output that cannot be written
            tell(f"error: {error}", keep="\n" if isinstance(error, ExplainedError) else "")
            return WRONG
        except expected as error:
            tell(f"error: {error}", keep="\n")
            return FAILED
    return status or 0


def tell(message: str, keep: str = "") -> None:
    r"""Print a message on standard error, where it is still open: one line, unless `keep` is "\n"."""
    if sys.stderr is not None:
        try:
            print(shown(message, keep), file=sys.stderr)
        except OSError:
            return


def _end_before_work(number: int, frame: FrameType | None) -> NoReturn:
    tell("interrupted before any work")
    os._exit(INTERRUPTED + number)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    for other in _SIGNALS:
        if signal.getsignal(other) is not signal.SIG_IGN:
            signal.signal(other, _ignore)  # a second one would disturb what the first one cleans up
    raise Interrupted(number)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing. To ignore a signal by SIG_IGN while one is on its way makes Python complain."""


def _tell_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, MemoryError | ImportError | OSError):
        tell(f"error: {str(error) or 'not enough memory'}")
        os._exit(FAILED)
    sys.__excepthook__(kind, error, trace)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let signals interrupt a block, and restore what they did before; in a thread they stay as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = {number: signal.getsignal(number) for number in _SIGNALS}
    before = {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, _interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Shown(io.TextIOBase):
    """Standard output on which text from outside cannot act on a terminal."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # in a locale without this character

    def write(self, text: str) -> int:
        if self._stream is not None:
            self._stream.write(shown(text, keep="\n\t"))
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()

    def fileno(self) -> int:
        if self._stream is None:
            raise io.UnsupportedOperation("standard output is closed")
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()


def _discard_output() -> None:
    """Write the rest of standard output to nowhere: at the end the interpreter would fail to flush it."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, io.UnsupportedOperation):
        return


_BUS_ERROR = b"error: a mapped file, such as the table, was truncated or rewritten in place: make it again, then go on\n"


@contextmanager
def _bus_errors_told() -> Iterator[None]:
    """Say in one line that a mapped file was truncated, and end the process.

    The handler is called by the system at the instruction that cannot go on, so it cannot be one of the `signal` module, which
    runs later. A copy of each table would protect too, but tables may be larger than memory. Workers end by the signal, and the
    process that has started them tells why.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGBUS"):
        yield
        return
    before, libc = signal.getsignal(signal.SIGBUS), ctypes.CDLL(None)
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(_end_by_bus_error)  # lives as long as it is installed
    libc.signal.restype = ctypes.c_void_p
    libc.signal(int(signal.SIGBUS), handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGBUS, before if before is not None else signal.SIG_DFL)


def _end_by_bus_error(number: int) -> None:
    os.write(2, _BUS_ERROR)
    os._exit(WRONG)
