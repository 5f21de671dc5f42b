"""What stands around a command: streams that may be full or closed, and signals that end it."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from types import FrameType, TracebackType
from typing import Any, TextIO


class Interrupted(BaseException):
    """A signal came. Unlike a KeyboardInterrupt, Lightning lets it pass instead of ending the process."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class Signals:
    """Let SIGINT and SIGTERM unwind the stack inside a block, so that nothing temporary is left behind."""

    def __init__(self) -> None:
        self._waits = False
        self._came: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            heeded = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) != signal.SIG_IGN]
            self._before = {one: signal.signal(one, self._interrupt) for one in heeded}
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _interrupt(self, signum: int, _frame: FrameType | None) -> None:
        if not self._waits:
            raise Interrupted(signum)
        self._came = signum

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Do the last thing of the command: once it is done, a signal that came meanwhile or comes later is late."""
        self._waits = True
        try:
            yield
        except BaseException:
            self._waits = False
            if self._came is not None:
                raise Interrupted(self._came) from None
            raise


class ForgivingStream:
    """A stream that goes on in silence once it cannot be written to, and writes out what its encoding lacks.

    Parameters
    ----------
    stream
        Where to write; None if it was closed before the process began.

    Attributes
    ----------
    error
        Why it could not be written to; None if it could, or if nobody reads it any more.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write what can be written."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
        self._try(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what was kept back."""
        self._try(lambda stream: stream.flush())

    def isatty(self) -> bool:
        """Whether somebody looks on."""
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, action: Callable[[TextIO], object]) -> None:
        if self._stream is None:
            return
        try:
            action(self._stream)
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.error = error
            self._silence(self._stream)

    def _silence(self, stream: TextIO) -> None:
        """Lead the stream to nowhere, so that the end of the process does not try once more."""
        self._stream = None
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


@contextmanager
def forgiving_streams() -> Iterator[ForgivingStream]:
    """Let nothing that is printed end a command; give what stands for stdout."""
    out, err = ForgivingStream(sys.stdout), ForgivingStream(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        yield out
