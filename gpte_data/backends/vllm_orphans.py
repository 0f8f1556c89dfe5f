"""vLLM's engine has a process of its own, which must not outlive ours.

vLLM ends it where we end well, even by an error. Were we killed, it would stay and keep the GPU: so
a shell of its own session reads from a pipe that we hold, and when the pipe closes, however that
comes about, it kills the processes that we have named to it.
"""

import contextlib
import multiprocessing
import subprocess
import threading
from collections.abc import Iterator

SCRIPT = 'all=; while read -r one; do all="$all $one"; done; [ -z "$all" ] || kill -9 $all'
PAUSE = 0.05
"""Seconds between two looks for new processes while an engine is opened."""


class Watch:
    """The shell, and the children of this process that it has been told of."""

    def __init__(self) -> None:
        self._known = {child.pid for child in multiprocessing.active_children()}
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Name what is started in the block; where the block fails, nothing is left to watch."""
        ended = threading.Event()
        thread = threading.Thread(target=self._look_until, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            ended.set()
            thread.join()
            self.end()
            raise
        ended.set()
        thread.join()

    def end(self) -> None:
        """Let go of processes that vLLM has ended."""
        self._shell.kill()
        self._shell.communicate()

    def _look_until(self, ended: threading.Event) -> None:
        over = False
        while not over:
            over = ended.wait(PAUSE)
            for child in multiprocessing.active_children():
                if child.pid not in self._known:
                    self._known.add(child.pid)
                    self._name(f"{child.pid}\n".encode())

    def _name(self, line: bytes) -> None:
        assert self._shell.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # somebody has killed the shell
            self._shell.stdin.write(line)
            self._shell.stdin.flush()
