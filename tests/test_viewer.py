"""What shows traces: its process without TensorBoard, and TensorBoard itself, its routes and its page."""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import ProxyHandler, build_opener

import pytest
from playwright.sync_api import FrameLocator, Page, Route, expect

from gradgauge import viewer
from gradgauge.viewer import TensorBoard, ViewerFailed, available_reason, command_for, serve, tensorboard
from tests.browsers import chromium, needs_browser
from tests.fakes import alive, environment, is_gone_soon, python

TERNARY = "ternary_activation-where-compiled-forward_backward-cpu-float32-1024x1024-contiguous"
RELU = "relu-where-eager-forward_backward-cpu-float32-1024x1024-contiguous"
CUT_SHORT = "torn-where-eager-forward-cpu-float32-8x8-contiguous"
TRACE = "gradgauge.1795457265598856412.pt.trace.json.gz"


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """Return a folder that looks as if it held a trace."""
    folder = tmp_path / "it's all here" / RELU
    folder.mkdir(parents=True)
    (folder / TRACE).touch()
    return folder.parent


# --- without TensorBoard --------------------------------------------------------------------------------------------


def test_here_traces_can_be_shown() -> None:
    assert not available_reason()


def test_looking_for_them_imports_neither_them_nor_torch(tmp_path: Path) -> None:
    looking = "import sys, gradgauge.viewer; gradgauge.viewer.available_reason(); print(*sys.modules)"
    done = python("-c", looking, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "gradgauge.viewer" in done.stdout.split()
    assert not {"torch", "tensorboard", "torch_tb_profiler"} & set(done.stdout.split())


def test_what_cannot_be_imported_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_mere_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(viewer, "NEEDED", ("a_mere_folder", "json", "nowhere_at_all"))
    assert available_reason() == (
        "a_mere_folder and nowhere_at_all cannot be imported; "
        "`pip install 'gradgauge[profile]'` installs what shows traces"
    )


def test_the_command_is_quoted_for_the_shell(traces: Path) -> None:
    words = ["tensorboard", "--logdir", str(traces), "--host", "127.0.0.1"]
    assert shlex.split(command_for(traces)) == words
    assert command_for(Path("traces")) == "tensorboard --logdir traces --host 127.0.0.1"


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_where_there_is_no_trace_nothing_is_started(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty" / RELU).mkdir(parents=True)
    (tmp_path / "empty" / RELU / "notes.json").touch()
    monkeypatch.setattr(viewer, "_start", pytest.fail)
    with (
        pytest.raises(ViewerFailed, match=f"no trace to show: nothing under .*{name} is called"),
        tensorboard(tmp_path / name),
    ):
        pytest.fail("it was entered")


def a_board(tmp_path: Path, printed: str = "", status: int | None = None) -> TensorBoard:
    (tmp_path / "log").write_text(printed, encoding="utf-8")
    process = SimpleNamespace(poll=lambda: status, returncode=status)
    return TensorBoard(cast("subprocess.Popen[bytes]", process), tmp_path / "log")


def never() -> bool:
    return False


def test_the_address_is_the_one_that_tensorboard_printed(tmp_path: Path) -> None:
    printed = "see https://tensorboard.dev/\nTensorBoard 2.21.0 at http://127.0.0.1:41713/ (Press CTRL+C to quit)\n"
    assert a_board(tmp_path, printed).address == "http://127.0.0.1:41713/#pytorch_profiler"


@pytest.mark.parametrize("printed", ["", "TensorBoard 2.21.0 at http://0.0.0.0:6006/ (Press CTRL+C to quit)"])
def test_until_it_serves_this_machine_alone_it_has_no_address(tmp_path: Path, printed: str) -> None:
    with pytest.raises(ViewerFailed, match="not told its address"):
        _ = a_board(tmp_path, printed).address


def test_one_that_ends_is_told_with_its_last_lines(tmp_path: Path) -> None:
    printed = "".join(f"line {number}\n" for number in range(1, 101))
    with pytest.raises(ViewerFailed) as failed:
        a_board(tmp_path, printed, status=1).wait_for(never)
    said = str(failed.value).splitlines()
    assert said == ["TensorBoard ended with status 1; its last lines:", *(f"line {n}" for n in range(86, 101))]


def test_one_that_does_not_answer_is_told(tmp_path: Path) -> None:
    message = "TensorBoard did not answer within 0.1 s and printed nothing"
    with pytest.raises(ViewerFailed, match=f"^{message}$"):
        a_board(tmp_path).wait_for(never, limit_s=0.1)


def test_an_answer_that_fails_is_none_yet(tmp_path: Path) -> None:
    answers = ["yes", "", "not yet"]

    def happened() -> bool:
        answer = answers.pop()
        if answer == "not yet":
            raise ViewerFailed(answer)
        return bool(answer)

    a_board(tmp_path).wait_for(happened)
    assert not answers


ROUTES: dict[str, Any] = {
    "/data/plugin/pytorch_profiler/runs?": {"runs": [RELU, CUT_SHORT], "loading": False},
    f"/data/plugin/pytorch_profiler/views?run={RELU}": ["Overview", "Operator"],
    f"/data/plugin/pytorch_profiler/views?run={CUT_SHORT}": [],
}


class Plugin(BaseHTTPRequestHandler):
    """Answers as the plugin does."""

    def do_GET(self) -> None:
        content = json.dumps(ROUTES[self.path]).encode() if self.path in ROUTES else b"<h1>Not Found</h1>"
        self.send_response(200 if self.path in ROUTES else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (http.server's name)
        pass


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[TensorBoard]:
    """Return a TensorBoard that is a server of this process."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Plugin) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield a_board(tmp_path, f"TensorBoard 0 at http://127.0.0.1:{server.server_port}/\n")
        server.shutdown()
        thread.join()


def test_the_plugin_is_asked_past_any_proxy(answering: TensorBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert answering.ask("views", run=RELU) == ["Overview", "Operator"]


@pytest.mark.parametrize(
    ("runs", "loading", "found"), [([], False, False), ([], True, True), ([RELU], True, True), ([RELU], False, True)]
)
def test_traces_are_found_before_they_are_read(
    runs: list[str], loading: bool, found: bool, answering: TensorBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ROUTES, "/data/plugin/pytorch_profiler/runs?", {"runs": runs, "loading": loading})
    assert answering.found_traces() is found


def test_a_run_without_views_could_not_be_read(answering: TensorBoard) -> None:
    assert answering.unreadable() == [CUT_SHORT]


def test_a_route_that_there_is_not_is_named(answering: TensorBoard) -> None:
    with pytest.raises(ViewerFailed, match=r"does not answer http.*/nowhere\?: HTTP Error 404"):
        answering.ask("nowhere")


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
print(child.pid, flush=True)
time.sleep(1000)
"""


class Started:
    """Stands for `_start`: a child that ignores being told to end, with a child of its own."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    def __call__(self, traces: Path, log: Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", STUBBORN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdout
        with process.stdout as out:
            self.pids = [process.pid, int(out.readline())]
        log.write_text("I will not.\n", encoding="utf-8")
        assert all(map(alive, self.pids))
        return process


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> Started:
    started = Started()
    monkeypatch.setattr(viewer, "_start", started)
    monkeypatch.setattr(viewer, "ENDING_S", 0.2)
    return started


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who lives")
def test_one_that_never_answers_is_ended_with_all_that_it_started(stubborn: Started, traces: Path) -> None:
    message = "did not answer within 0 s; its last lines:\nI will not"
    with pytest.raises(ViewerFailed, match=message), tensorboard(traces, starting_s=0):
        pytest.fail("it was entered")
    assert all(map(is_gone_soon, stubborn.pids))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who lives")
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ZeroDivisionError])
def test_what_interrupts_whoever_looks_ends_it(
    interruption: type[BaseException], stubborn: Started, traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TensorBoard, "found_traces", lambda self: True)
    logs: list[Path] = []

    def look() -> None:
        with tensorboard(traces) as board:
            logs.append(board.log)
            raise interruption

    with pytest.raises(interruption):
        look()
    assert all(map(is_gone_soon, stubborn.pids))
    assert not logs[0].parent.exists()


class Board:
    """A TensorBoard that waits as it is told to."""

    address = "http://127.0.0.1:1/#pytorch_profiler"

    def __init__(self, wait: BaseException) -> None:
        self._wait = wait
        self.ended = False

    def unreadable(self) -> list[str]:
        return [CUT_SHORT]

    def wait(self) -> None:
        raise self._wait

    @contextmanager
    def over(self, traces: Path) -> Iterator[Board]:
        try:
            yield self
        finally:
            self.ended = True


def test_serving_says_where_and_what_cannot_be_read_and_ends_with_ctrl_c(
    traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board(wait=KeyboardInterrupt())
    monkeypatch.setattr(viewer, "tensorboard", board.over)
    said: list[str] = []
    serve(traces, said.append)
    assert said == [
        "http://127.0.0.1:1/#pytorch_profiler shows the traces until Ctrl-C",
        f"TensorBoard cannot read the trace of {CUT_SHORT}",
    ]
    assert board.ended


def test_serving_fails_where_tensorboard_does(traces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(wait=ViewerFailed("TensorBoard ended with status -9 and printed nothing"))
    monkeypatch.setattr(viewer, "tensorboard", board.over)
    said: list[str] = []
    with pytest.raises(ViewerFailed, match="ended with status -9"):
        serve(traces, said.append)
    assert said
    assert board.ended


# --- TensorBoard itself ---------------------------------------------------------------------------------------------

PROFILE = """
import sys
import torch
from torch.profiler import ProfilerActivity, profile, schedule, tensorboard_trace_handler

for folder in sys.argv[1:]:
    with profile(
        activities=[ProfilerActivity.CPU],
        schedule=schedule(wait=0, warmup=1, active=2, repeat=1),
        on_trace_ready=tensorboard_trace_handler(folder, worker_name="gradgauge", use_gzip=True),
        record_shapes=True,
        profile_memory=True,
        with_stack=True,
    ) as profiler:
        for _ in range(3):
            x = torch.randn(64, 64, requires_grad=True)
            (x * x.sigmoid()).sum().backward()
            profiler.step()
"""


@pytest.fixture(scope="module")
def real_traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two traces of torch's profiler, and one that is cut short."""
    root = tmp_path_factory.mktemp("real traces")
    done = python("-c", PROFILE, str(root / TERNARY), str(root / RELU), cwd=root)
    assert done.returncode == 0, done.stderr
    (trace,) = (root / RELU).glob("gradgauge.*.pt.trace.json.gz")
    (root / CUT_SHORT).mkdir()
    (root / CUT_SHORT / TRACE).write_bytes(trace.read_bytes()[:2000])
    return root


@pytest.fixture(scope="module")
def board(real_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TensorBoard]:
    """Return TensorBoard over the traces, started where everything is against it."""
    hostile = tmp_path_factory.mktemp("hostile")
    for name in ("tensorboard", "gradgauge", "json"):
        (hostile / f"{name}.py").write_text("raise SystemExit('the wrong file was imported')\n", encoding="utf-8")
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(hostile)
            patch.setenv("PYTHONWARNINGS", "error")
            patch.setenv("http_proxy", "http://127.0.0.1:9")
            board = stack.enter_context(tensorboard(Path(os.path.relpath(real_traces))))
        yield board


def fetch(board: TensorBoard, route: str, **parameters: str) -> Any:
    """Return what a route of the plugin delivers, compressed or not."""
    run = {"run": TERNARY, "worker": "gradgauge", "span": "1"}
    address = board.address.replace("#pytorch_profiler", f"data/plugin/pytorch_profiler/{route}?")
    with build_opener(ProxyHandler({})).open(address + urlencode(run | parameters), timeout=60) as answer:
        content = answer.read()
        return json.loads(gzip.decompress(content) if answer.headers["Content-Encoding"] == "gzip" else content)


@pytest.mark.slow
def test_each_trace_is_a_run_and_the_one_cut_short_is_told(board: TensorBoard) -> None:
    assert board.unreadable() == [CUT_SHORT]
    assert board.ask("runs") == {"runs": [RELU, TERNARY, CUT_SHORT], "loading": False}
    assert board.ask("views", run=TERNARY) == ["Overview", "Operator", "Trace", "Memory"]
    assert board.ask("workers", run=TERNARY, view="Operator") == ["gradgauge"]


@pytest.mark.slow
@pytest.mark.parametrize("group_by", ["Operation", "OperationAndInputShape"])
def test_the_operator_view_has_our_operators(board: TensorBoard, group_by: str) -> None:
    board.unreadable()
    rows = {row["name"]: row for row in fetch(board, "operation/table", group_by=group_by)["data"]}
    assert {"aten::mul", "aten::sigmoid", "aten::sigmoid_backward", "aten::sum"} <= set(rows)
    assert rows["aten::sum"]["calls"] == 2
    assert rows["aten::mul"]["host_self_duration"] > 0
    if group_by == "OperationAndInputShape":
        assert rows["aten::sigmoid"]["input_shape"] == "[[64, 64]]"
    pie = fetch(board, "operation", group_by=group_by)
    assert any("aten::mul" in row[0] for row in pie["host_self_time"]["rows"])


@pytest.mark.slow
def test_the_overview_has_both_steps(board: TensorBoard) -> None:
    board.unreadable()
    steps = fetch(board, "overview")["steps"]["rows"]
    assert [row[0] for row in steps] == ["1", "2"]


@pytest.mark.slow
def test_the_trace_is_delivered_whole(board: TensorBoard, real_traces: Path) -> None:
    board.unreadable()
    (file,) = (real_traces / TERNARY).iterdir()
    assert fetch(board, "trace") == json.loads(gzip.decompress(file.read_bytes()))


@pytest.mark.slow
def test_the_memory_view_has_what_our_operators_allocated(board: TensorBoard) -> None:
    board.unreadable()
    memory = fetch(board, "memory")
    columns = [column["name"] for column in memory["columns"]]
    rows = {row[0]: dict(zip(columns, row, strict=True)) for row in memory["rows"]["CPU"]}
    assert rows["aten::mul"]["Self Allocation Size (KB)"] >= 16
    assert fetch(board, "memory_curve")["rows"]["CPU"]
    assert fetch(board, "memory_events")["rows"]["CPU"]


@pytest.mark.slow
def test_it_listens_to_this_machine_alone(board: TensorBoard) -> None:
    elsewhere = board.address.replace("127.0.0.1", "127.0.0.2").partition("#")[0]
    with pytest.raises(URLError):
        build_opener(ProxyHandler({})).open(elsewhere, timeout=60)


def group_of(pid: int) -> list[int]:
    """Return the processes of the group that `pid` leads."""
    stats = [file.read_text(encoding="utf-8") for file in Path("/proc").glob("[0-9]*/stat")]
    fields = {int(stat.split()[0]): stat.rpartition(")")[2].split() for stat in stats}
    return [member for member, (_, _, group, *_) in fields.items() if int(group) == pid]


LOOKS = """
import sys, time
from pathlib import Path
from gradgauge.viewer import tensorboard

with tensorboard(Path(sys.argv[1])) as board:
    print(board.unreadable(), board.process.pid, flush=True)
    time.sleep(1000)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who lives")
@pytest.mark.parametrize("deadly", [signal.SIGINT, signal.SIGKILL])
def test_it_goes_with_whoever_started_it_and_the_terminal_stays_clean(
    deadly: signal.Signals, real_traces: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scratch = tmp_path_factory.mktemp("t")  # short, since the path of a socket will lie in it
    with subprocess.Popen(
        [sys.executable, "-c", LOOKS, str(real_traces)],
        env=environment(TMPDIR=str(scratch)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as looking:
        assert looking.stdout
        assert looking.stderr
        told = looking.stdout.readline()
        assert told, looking.stderr.read()
        started = group_of(int(told.split()[-1]))
        looking.send_signal(deadly)
        rest, complaints = looking.communicate(timeout=60)
    assert len(started) > 1  # the plugin keeps a dictionary in a process of its own
    assert all(map(is_gone_soon, started))
    assert not rest
    if deadly == signal.SIGINT:
        assert complaints.startswith("Traceback")
        assert complaints.endswith("KeyboardInterrupt\n")
        assert {file.name for file in scratch.iterdir()} == {".tensorboard-info"}


# --- the page, in a browser -----------------------------------------------------------------------------------------

PATIENCE_MS = 120_000
ELSEWHERE = re.compile(r"^https?://(?!127\.0\.0\.1:)")
ABSENT = "Charts come from www.gstatic.com, which was not reached."


class Looked:
    """The plugin's page, the hosts that it wanted besides this machine, and the errors of its scripts."""

    def __init__(self, page: Page) -> None:
        self.page, self.wanted, self.errors = page, list[str | None](), list[str]()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    @property
    def plugin(self) -> FrameLocator:
        return self.page.frame_locator("iframe")

    def open(self, board: TensorBoard, charts: str | None) -> None:
        """Open the page where the internet holds but this loader of charts, or nothing that answers."""

        def refuse(route: Route) -> None:
            self.wanted.append(urlsplit(route.request.url).hostname)
            if charts:
                route.fulfill(content_type="text/javascript", body=charts)
            elif charts is None:
                route.abort()

        self.page.route(ELSEWHERE, refuse)
        self.page.goto(board.address)

    def go(self, view: str, other: str) -> None:
        self.plugin.get_by_role("button", name=view, exact=True).click()
        self.plugin.get_by_role("option", name=other, exact=True).click()

    def see(self, text: str) -> None:
        expect(self.plugin.get_by_text(text, exact=True).first).to_be_visible(timeout=PATIENCE_MS)


@pytest.fixture
def looked() -> Iterator[Looked]:
    """Return a page of a browser of its own."""
    with chromium() as browser:
        yield Looked(browser.new_page(viewport={"width": 1400, "height": 1100}))


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("charts", [None, ""], ids=["refused", "silent"])
def test_without_the_internet_the_page_shows_the_tables(
    charts: str | None, board: TensorBoard, looked: Looked, tmp_path: Path
) -> None:
    looked.open(board, charts)
    looked.see("Step Time Breakdown")
    looked.go("Overview", "Operator")
    looked.see("Operator View")
    for operator in ("aten::mul", "aten::sigmoid_backward"):
        looked.see(operator)
    assert looked.plugin.get_by_role("row").count() > 5
    expect(looked.plugin.get_by_text(ABSENT, exact=True)).to_have_count(2)
    looked.page.screenshot(path=tmp_path / "operator.png", full_page=True)
    looked.go("Operator", "Memory")
    looked.see("Memory View")
    looked.see("aten::mul")
    assert not looked.errors
    assert looked.wanted == ["www.gstatic.com"]


@pytest.mark.slow
@needs_browser
def test_without_the_internet_the_trace_view_says_what_it_lacks(board: TensorBoard, looked: Looked) -> None:
    looked.open(board, None)
    looked.go("Overview", "Trace")
    said = looked.plugin.frame_locator("iframe").get_by_text("The trace viewer needs cdnjs.cloudflare.com")
    expect(said).to_be_visible(timeout=PATIENCE_MS)
    assert looked.wanted == ["www.gstatic.com", "cdnjs.cloudflare.com"]


LOADER = """
class Data { addColumn() {} addRow() {} addRows() {} setProperty() {} }
class Chart {
  constructor(place) { this.place = place; }
  draw() { this.place.textContent = "a chart"; }
  clearChart() {}
}
const visualization = new Proxy({DataTable: Data, arrayToDataTable: (rows) => rows, events: {addListener() {}}}, {
  get: (given, name) => given[name] ?? Chart,
});
const load = async (...wanted) => { window.google.visualization = visualization; };
if (window.google) throw new Error("loaded twice");
window.google = {charts: {load}};
"""


@pytest.mark.slow
@needs_browser
def test_with_the_internet_the_page_has_its_charts(board: TensorBoard, looked: Looked) -> None:
    looked.open(board, LOADER)
    looked.go("Overview", "Operator")
    looked.see("aten::mul")
    expect(looked.plugin.get_by_text("a chart", exact=True)).to_have_count(2)
    expect(looked.plugin.get_by_text(ABSENT)).to_have_count(0)
    assert not looked.errors
