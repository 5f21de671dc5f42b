"""Cases in processes of their own, under a ceiling of time and one of memory."""

import gc
import multiprocessing
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Self

from benchmarks.core.speed import Build

IMPORTING = 60.0
"""Seconds that a fresh process may need to import what it runs, on top of its ceiling."""


TURN = 0.25
"""Seconds that a turn takes at least: a shorter step is repeated, as training does, and its mean counts. By itself
it would find the caches as another case left them."""


class OverCeilingError(Exception):
    """A case took more than it may; says what of."""


class BrokenCaseError(Exception):
    """A case raised, and this is the trace of it, or its process died."""


class MissingError(Exception):
    """A file or a package that a case needs is not there; says which. That is no result of the case."""


@dataclass(frozen=True)
class Ceilings:
    """What a process may take."""

    seconds: float
    gigabytes: float


class Process:
    """A fresh process, and the pipe to it.

    Its answers are pairs of a kind and a value; ``"over"``, ``"broken"`` and ``"missing"`` come back as errors.
    """

    def __init__(self, work: Callable[..., None], *args: Any, threads: int, device: str, ceilings: Ceilings) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.seconds = ceilings.seconds
        variables = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "KINETO_LOG_LEVEL": "99"}
        with _environment(**variables), _without_interrupts():
            self._process = context.Process(
                target=_answering, args=(theirs, work, args, threads, device, ceilings.gigabytes), daemon=True
            )
            self._process.start()
        theirs.close()

    def ask(self, what: str) -> Any:
        """Send a word and wait for the answer; raises what :meth:`answer` does."""
        try:
            self._pipe.send(what)
        except OSError:
            raise self._death() from None
        return self.answer(self.seconds)

    def answer(self, seconds: float) -> Any:
        """Wait for the next answer.

        Raises
        ------
        OverCeilingError
            If it does not come in time, a ceiling is the answer, or the process was killed, as a system does to one
            that takes its last memory.
        BrokenCaseError
            If the case raised, or the process died of something else.
        MissingError
            If it lacks a file or a package.
        """
        try:
            if not self._pipe.poll(seconds):
                raise OverCeilingError(f"more than {self.seconds:g} s")
            kind, value = self._pipe.recv()
        except (EOFError, OSError):
            raise self._death() from None
        if kind == "over":
            raise OverCeilingError(value)
        if kind == "broken":
            raise BrokenCaseError(value)
        if kind == "missing":
            raise MissingError(value)
        return value

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _death(self) -> OverCeilingError | BrokenCaseError:
        self._process.join()
        return death(self._process.exitcode or 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Worker(Process):
    """A process that has made a case ready, and takes a turn when told.

    Parameters
    ----------
    build
        Makes the case; of a module, or a ``partial`` of such, for a fresh process has to find it.
    size
        What it is built with.
    threads, device
        Of the process.
    ceilings
        Of building, and of each turn.

    Raises
    ------
    OverCeilingError
        If building breaks a ceiling; likewise each of the methods.
    BrokenCaseError
        If building raises; likewise each of the methods.
    MissingError
        If a file or a package is not there that it needs.
    """

    def __init__(self, build: Build, size: Mapping[str, int], *, threads: int, device: str, ceilings: Ceilings) -> None:
        super().__init__(_take_turns, build, dict(size), device, threads=threads, device=device, ceilings=ceilings)
        try:
            self.answer(ceilings.seconds + IMPORTING)
        except BaseException:
            self.close()
            raise

    def turn(self) -> tuple[float, float]:
        """Take a turn; return its seconds by the clock, and of processor time."""
        return self.ask("turn")

    def memory(self) -> dict[str, float]:
        """Take a turn; return the megabytes it holds at most, of tensors and of the process."""
        return self.ask("memory")


def death(code: int) -> OverCeilingError | BrokenCaseError:
    """Return what to raise of a process that ended without an answer, by its exit code; a signal's is negative."""
    if code == -signal.SIGKILL:
        return OverCeilingError("the process was killed (SIGKILL), most likely for want of memory")
    said = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return BrokenCaseError(f"the process died: {said}")


def once(case: Callable[[], Any], *, threads: int, device: str, ceilings: Ceilings) -> Any:
    """Return what a case returns, computed in a fresh process.

    Raises
    ------
    OverCeilingError
        If it breaks a ceiling.
    BrokenCaseError
        If it raises.
    MissingError
        If a file or a package is not there that it needs.
    """
    with Process(_return, case, threads=threads, device=device, ceilings=ceilings) as process:
        return process.answer(ceilings.seconds + IMPORTING)


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set variables for processes to come."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let processes to come leave it to us what Ctrl-C does."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _answering(
    pipe: Connection, work: Callable[..., None], args: tuple[Any, ...], threads: int, device: str, gigabytes: float
) -> None:
    """Set the process up and work; what goes wrong is an answer too."""
    import torch

    torch.set_num_threads(threads)
    if device != "cpu":  # a mode around every call, which takes a tenth of the time of small networks
        torch.set_default_device(device)
    torch.manual_seed(0)
    too_much = ("over", f"more than {gigabytes:g} GB")
    try:
        if device == "cpu":
            _limit_memory(gigabytes)
        work(pipe, *args)
    except EOFError:
        pass
    except MemoryError:
        pipe.send(too_much)
    except (FileNotFoundError, ImportError) as error:
        pipe.send(("missing", str(error)))
    except RuntimeError as error:
        wants_memory = "allocate memory" in str(error) or "out of memory" in str(error)
        pipe.send(too_much if wants_memory else ("broken", traceback.format_exc()))
    except Exception:
        pipe.send(("broken", traceback.format_exc()))


def _return(pipe: Connection, case: Callable[[], Any]) -> None:
    pipe.send(("result", case()))


def _take_turns(pipe: Connection, build: Build, size: dict[str, int], device: str) -> None:
    from benchmarks.core.memory import peak_megabytes

    step = build(**size)
    pipe.send(("ready", None))
    while True:
        if pipe.recv() == "turn":
            pipe.send(("took", timed(step, device)))
        else:
            pipe.send(("held", peak_megabytes(step, device)))


def timed(step: Callable[[], object], device: str) -> tuple[float, float]:
    """Return the seconds of a step by the clock, and of processor time: the means over a turn."""
    import torch

    gc.collect()
    start, worked, steps, passed = time.perf_counter(), time.process_time(), 0, 0.0
    while passed < TURN:
        step()
        if device != "cpu":
            torch.cuda.synchronize()
        steps, passed = steps + 1, time.perf_counter() - start
    return passed / steps, (time.process_time() - worked) / steps


def _limit_memory(gigabytes: float) -> None:
    """Let the process map that much more than it has."""
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    limit = mapped + int(gigabytes * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
