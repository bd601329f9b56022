"""The fork server: imports the heavy modules once, and forks every process of a sweep that needs them."""

import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from multiprocessing import (
    forkserver,
    get_context,
    parent_process,
    reduction,
    resource_tracker,
    set_start_method,
    util,
)
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import IO, Any, NamedTuple, cast

from bench.supervisor.signals import BATCH

PRELOADED = ["bench.child.warm"]
"""What the server imports: torch and everything else that a cell needs."""
LONGEST_TMPDIR = 75
"""In bytes. A socket's path has at most 107, and multiprocessing appends 32 of its own."""

SERVER_KILLED = 255
"""What multiprocessing takes for a process's exit code if its server is gone, which alone would know it."""


class ServerFailed(Exception):
    """The server ended before it had forked the process. The text is one sentence that says why."""


class Child(NamedTuple):
    """A forked process and the end of the pipe that its events arrive at."""

    process: ForkServerProcess
    pid: int
    events: Connection

    def join(self) -> int:
        """Wait for the process, and end it if it has outlived the server. Returns its exit code, or SERVER_KILLED."""
        self.process.join()
        assert self.process.exitcode is not None
        if self.process.exitcode == SERVER_KILLED:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        return self.process.exitcode


class Inherited(NamedTuple):
    """An open file that a forked process holds as well, until it ends."""

    descriptor: Any

    def __reduce__(self) -> tuple[Any, ...]:
        return Inherited, (reduction.DupFd(self.descriptor),)


def fork(
    target: str,
    arguments: tuple[Any, ...],
    name: str,
    variables: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
) -> Child:
    """Start a process that calls a function with `arguments` and the sending end of a pipe.

    The first call starts the server, and waits until its imports are done.

    Args:
        target: the function as `package.module:function`. The supervisor must never import it, as it loads torch.
        arguments: what is pickled and handed to the function, before the pipe's end.
        name: the process's name.
        variables: environment variables that are set first. The server keeps the environment that it started with.
        descriptors: open files that the process holds as well, such as locks: they are free once it has ended, too.

    Raises:
        ServerFailed: the server could not be started, or ended while it imported its modules.
    """
    # A child process learns its parent's start method, and joblib's is unknown to it.
    set_start_method("forkserver", force=True)
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    inherited = [*map(Inherited, descriptors)]
    process = context.Process(target=_call, args=(target, variables or {}, inherited, *arguments, sender), name=name)
    try:
        _printed().truncate(0)
        with _inheritance():
            forkserver.ensure_running()
        process.start()
    except (EOFError, OSError) as error:
        receiver.close()
        raise ServerFailed(f"the server that forks cells did not start: {last_line() or _reason(error)}") from error
    finally:
        sender.close()
    assert process.pid is not None
    return Child(process, process.pid, receiver)


def kill() -> None:
    """Kill the server while it starts: `fork`, which waits for it in another frame, then raises ServerFailed."""
    if (pid := cast(Any, forkserver)._forkserver._forkserver_pid) is not None:
        os.kill(pid, signal.SIGKILL)


def output() -> str:
    """What the server and its processes have printed since `fork` was last called; a cell soon prints to log.txt."""
    file = _printed().fileno()
    return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")


def last_line() -> str:
    """The last line of `output`, which for a traceback is the error itself."""
    return (output().strip().splitlines() or [""])[-1]


@cache
def _printed() -> IO[bytes]:
    # Its writers append, so that it can be emptied before each fork.
    return tempfile.TemporaryFile("a+b")


def _reason(error: Exception) -> str:
    return "it was killed" if isinstance(error, EOFError | ConnectionError) else str(error)


def _call(target: str, variables: Mapping[str, str], _inherited: Sequence[Inherited], *arguments: Any) -> None:
    os.environ.update(variables)
    supervisor = parent_process()
    assert supervisor is not None

    def end_with_it() -> None:
        # Even if it was killed: nobody would record the rest of a cell.
        supervisor.join()
        os._exit(1)

    threading.Thread(target=end_with_it, daemon=True, name="end-with-supervisor").start()
    module, _, function = target.partition(":")
    getattr(import_module(module), function)(*arguments)


@contextlib.contextmanager
def _inheritance() -> Iterator[None]:
    """Set what a server started inside inherits.

    It ignores Ctrl-C, SIGHUP and the signals of batch systems, and blocks SIGTERM: all processes get them, but only the
    supervisor answers.
    SIGTERM is blocked and not ignored, so that a cell gets it as soon as it is ready. Output goes to a file and not the
    terminal. Asking whether there is a GPU does not initialise CUDA, which would not survive a fork. For a MIG device
    it would, so the server does not learn of one; cells do.
    """
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST_TMPDIR:
        before, tempfile.tempdir = tempfile.tempdir, "/tmp"
        util.get_temp_dir()
        tempfile.tempdir = before
    # Starting the resource tracker unblocks SIGTERM, so it must come first.
    resource_tracker.ensure_running()
    with contextlib.ExitStack() as undo:
        if (visible := os.environ.get("CUDA_VISIBLE_DEVICES", "")).startswith("MIG-"):
            del os.environ["CUDA_VISIBLE_DEVICES"]
            undo.callback(os.environ.__setitem__, "CUDA_VISIBLE_DEVICES", visible)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        undo.callback(signal.pthread_sigmask, signal.SIG_UNBLOCK, {signal.SIGTERM})
        if threading.current_thread() is threading.main_thread():
            for ignored in (signal.SIGINT, signal.SIGHUP, *BATCH):
                undo.callback(signal.signal, ignored, signal.signal(ignored, signal.SIG_IGN))
        for number in (1, 2):
            copy = os.dup(number)
            undo.callback(os.close, copy)
            undo.callback(os.dup2, copy, number)
            os.dup2(_printed().fileno(), number)
        yield
