"""Traces shown in TensorBoard: a process of its own, which 127.0.0.1 alone can reach, while somebody looks."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gradgauge.lifeline import environment_of_child, kill_with_children
from gradgauge.tensorboard_server import PLUGIN, ROUTES

NEEDED = ("tensorboard", "torch_tb_profiler")
HOST = "127.0.0.1"

STARTING_S = 120.0
ANSWERING_S = 30.0
ENDING_S = 5.0
POLL_S = 0.1
LAST_LINES = 15

SERVING = re.compile(rf"TensorBoard \S+ at (http://{re.escape(HOST)}:\d+)/")


class ViewerFailed(Exception):
    """TensorBoard could not be started, or ended; the message says why, with the last lines that it printed."""


def available_reason() -> str:
    """Return why traces cannot be shown here, with the remedy; empty where they can."""
    specs = {name: find_spec(name) for name in NEEDED}
    # A mere folder of that name beside the user's files has a spec, but no origin.
    missing = [name for name, spec in specs.items() if spec is None or spec.origin is None]
    if not missing:
        return ""
    return f"{' and '.join(missing)} cannot be imported; `pip install 'gradgauge[profile]'` installs what shows traces"


def command_for(traces: Path) -> str:
    """Return the command line that opens the traces; without the internet its page stays empty, unlike ours."""
    return shlex.join(["tensorboard", "--logdir", str(traces), "--host", HOST])


def serve(traces: Path, say: Callable[[str], None]) -> None:
    """Show the traces until Ctrl-C, after which this returns.

    say: is told the address, and which traces could not be read. Raises ViewerFailed.
    """
    with tensorboard(traces) as board, suppress(KeyboardInterrupt):
        say(f"{board.address} shows the traces until Ctrl-C")
        for name in board.unreadable():
            say(f"TensorBoard cannot read the trace of {name}")
        board.wait()


@contextmanager
def tensorboard(traces: Path, starting_s: float = STARTING_S) -> Iterator[TensorBoard]:
    """Have TensorBoard show the traces for the duration of the `with`, which begins when it has found them.

    Raises ViewerFailed: there is no trace, it died, or it did not answer within `starting_s`.
    """
    if not any(traces.rglob("*.pt.trace.json*")):
        raise ViewerFailed(f"no trace to show: nothing under {traces} is called *.pt.trace.json or *.pt.trace.json.gz")
    with TemporaryDirectory(prefix="gradgauge-") as scratch:
        log = Path(scratch) / "tensorboard.log"
        process = _start(traces, log)
        try:
            board = TensorBoard(process, log)
            board.wait_for(board.found_traces, starting_s)
            yield board
        finally:
            _end(process)


@dataclass(frozen=True)
class TensorBoard:
    """A TensorBoard that was started, and what it tells."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        """Return the address of the profiler's page. Raises ViewerFailed until TensorBoard has told it."""
        return f"{self._root()}/#{PLUGIN}"

    def ask(self, route: str, **parameters: str) -> Any:
        """Return what a route of the plugin answers. Raises ViewerFailed where it does not."""
        address = f"{self._root()}{ROUTES}/{route}?{urllib.parse.urlencode(parameters)}"
        # Without the proxies of the environment: they do not lead to this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(address, timeout=ANSWERING_S) as answer:
                return json.load(answer)
        except (OSError, HTTPException, ValueError) as error:
            raise ViewerFailed(f"TensorBoard does not answer {address}: {error}") from error

    def found_traces(self) -> bool:
        """Whether the plugin is reading traces or has read some: until then its page calls itself inactive."""
        answer = self.ask("runs")
        return bool(answer["loading"] or answer["runs"])

    def unreadable(self) -> list[str]:
        """Return which runs it could not read, once it has tried them all. Raises ViewerFailed where it ends."""
        self.wait_for(lambda: not self.ask("runs")["loading"])
        return [name for name in self.ask("runs")["runs"] if not self.ask("views", run=name)]

    def wait(self) -> None:
        """Wait until it ends, which raises ViewerFailed."""
        self.wait_for(lambda: False)

    def wait_for(self, happened: Callable[[], bool], limit_s: float = float("inf")) -> None:
        """Wait until it happened. Raises ViewerFailed where TensorBoard ends, or after `limit_s`."""
        until_s = time.monotonic() + limit_s
        while True:
            with suppress(ViewerFailed):
                if happened():
                    return
            if self.process.poll() is not None:
                raise ViewerFailed(self._with_last_lines(f"TensorBoard ended with status {self.process.returncode}"))
            if time.monotonic() > until_s:
                raise ViewerFailed(self._with_last_lines(f"TensorBoard did not answer within {limit_s:g} s"))
            time.sleep(POLL_S)

    def _root(self) -> str:
        found = SERVING.search(self._printed())
        if not found:
            raise ViewerFailed(self._with_last_lines("TensorBoard has not told its address yet"))
        return found[1]

    def _printed(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _with_last_lines(self, message: str) -> str:
        lines = self._printed().splitlines()[-LAST_LINES:]
        return "\n".join([f"{message}; its last lines:", *lines] if lines else [f"{message} and printed nothing"])


def _start(traces: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = environment_of_child()
    environment.pop("PYTHONWARNINGS", None)  # `error` would end it: TensorBoard imports what it deprecates itself
    # Without the loader for event files, of which there are none: it is a server with a port of its own.
    arguments = ["--logdir", str(traces.resolve()), "--host", HOST, "--port", "0", "--load_fast", "false"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "gradgauge.tensorboard_server", *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End TensorBoard and what it started: the plugin has a process that keeps a dictionary, and one for each trace."""
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(ENDING_S)
    finally:
        kill_with_children(process)
        if process.stdin:
            process.stdin.close()
