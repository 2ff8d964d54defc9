from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gradgauge import __version__, cli, viewer
from gradgauge.bench import Interrupted, Outcome, Request
from gradgauge.cli import main
from gradgauge.grid import PRESETS, Selection
from gradgauge.records import Record
from gradgauge.runs import RunFolder
from gradgauge.supervisor import Refused, WorkerLost
from gradgauge.timing import Timing
from gradgauge.viewer import ViewerFailed
from tests.fakes import REFERENCE_PY, python, spying, write_function
from tests.report import synthetic, synthetic_behavior

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def keep_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs a command line here: its exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr(cli, "out", Console(highlight=False, width=250))

    def command(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, said.out, said.err

    return command


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Stop every `bench` before it measures, and note what it was asked for."""
    requests: list[Request] = []

    def run_bench(request: Request, watch: object) -> Outcome:
        requests.append(request)
        return Outcome(RunFolder(request.results), 0, ())

    monkeypatch.setattr(cli, "run_bench", run_bench)
    monkeypatch.setattr(cli, "_finish", lambda outcome: None)
    return requests


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--function", "gelu"], ["'gelu'", "multiply, relu, ternary_activation"]),
        (["--implementation", "wher"], ["'wher'", "custom_function", "where"]),
        (
            ["--function", "multiply", "--implementation", "where"],
            ["'where'", "custom_function, lean_function, reference"],
        ),
        (["--dtype", "int32"], ["--dtype 'int32'", "float64, float32, bfloat16, float16"]),
        (["--shape", "4xx4"], ["--shape '4xx4'", "1024x1024,1024", "scalar"]),
        (["--shape", ""], ["--shape ''", "1024x1024"]),
        (["--preset", "fast"], ["--preset 'fast'", "quick, standard, full"]),
        (["--mode", "jit"], ["--mode 'jit'", "eager, compiled"]),
        (["--pass", "sideways"], ["--pass 'sideways'", "inference, forward, backward, forward_backward"]),
        (["--layout", "diagonal"], ["--layout 'diagonal'", "contiguous, transposed, strided, expanded, channels-last"]),
        (["--suite", "beauty"], ["--suite 'beauty'", "counters, gradients, instructions, machine, memory, speed"]),
        (["--suite", "profile"], ["--suite profile runs by itself", "gradgauge profile"]),
        (["--suite", "memory", "--suite", "profile"], ["--suite profile runs by itself", "gradgauge profile"]),
        (["--timeout", "0"], ["--timeout 0", "above 0 seconds"]),
        (["--timeout", "-3"], ["--timeout -3"]),
        (["--timeout", "nan"], ["--timeout nan"]),
        (["--timeout", "soon"], ["--timeout", "'soon'"]),
        (["--limit", "0"], ["--limit 0", "above 0 seconds"]),
        (["--limit", "nan"], ["--limit nan", "above 0 seconds"]),
        (["--limit", "never"], ["--limit 'never'", "a number of seconds nor none"]),
        (["--threads", "0"], ["--threads 0", "at least 1"]),
        (["--implementations", "no/such"], ["--implementations no/such: no such folder"]),
        (["--implementations", "empty"], ["--implementations empty: holds no function folder"]),
        (["--only-mine"], ["--only-mine needs --implementations PATH"]),
        (["--fnction", "relu"], ["--fnction"]),
        (["surplus"], ["surplus"]),
    ],
)
def test_a_bad_value_is_one_line_with_the_value_and_the_allowed_ones(
    run: Run, asked: list[Request], tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    (tmp_path / "empty").mkdir()
    status, out, err = run("bench", *arguments)
    assert status == 2
    assert asked == []
    assert out == ""
    assert len(err.splitlines()) == 1, err
    for word in words:
        assert word in err


def test_a_bad_value_after_a_good_one_is_the_one_that_is_named(run: Run, asked: list[Request]) -> None:
    _, _, err = run("bench", "--dtype", "float32", "--dtype", "int64")
    assert "'int64' is not one of" in err


def test_only_mine_knows_only_the_functions_of_the_folder(run: Run, asked: list[Request], tmp_path: Path) -> None:
    mine = write_function(tmp_path / "mine")
    status, _, err = run("bench", "--implementations", mine, "--only-mine", "--function", "relu")
    assert status == 2
    assert "--function 'relu' is not one of: twice" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "warp"], "--device 'warp' is not on this machine, which has: cpu"),
        (["--shape", "4,4,4"], "--shape '4,4,4' has one part too few or too many"),
    ],
)
def test_what_only_the_worker_can_refuse_is_one_line_too_and_leaves_no_run(
    run: Run, tmp_path: Path, arguments: list[str], words: str
) -> None:
    status, _, err = run("bench", *arguments)
    assert (status, len(err.splitlines())) == (2, 1)
    assert words in err
    assert list((tmp_path / "results" / "runs").iterdir()) == []


# --- what is asked for ----------------------------------------------------------------------------------------------


def test_the_options_become_the_request(run: Run, asked: list[Request], tmp_path: Path) -> None:
    mine = write_function(tmp_path / "mine")
    chosen = ["--function", "relu", "--function", "twice", "--dtype", "float16", "--mode", "eager", "--pass", "forward"]
    more = ["--shape", "8x8", "--layout", "strided", "--suite", "speed", "--device", "cpu", "--implementation", "where"]
    rest = [
        "--preset",
        "quick",
        "--timeout",
        "7",
        "--threads",
        "1",
        "--seed",
        "5",
        "--fresh-cache",
        "--results",
        "here",
    ]
    status, _, err = run("bench", *chosen, *more, *rest, "--implementations", mine)
    assert (status, err) == (0, "")
    (request,) = asked
    assert request.selection.functions == ("relu", "twice")
    assert (request.selection.dtypes, request.selection.modes, request.selection.passes) == (
        ("float16",),
        ("eager",),
        ("forward",),
    )
    assert (request.selection.shapes, request.selection.layouts) == (("8x8",), ("strided",))
    assert (request.selection.suites, request.selection.devices) == (("speed",), ("cpu",))
    assert request.selection.implementations == ("where",)
    assert (request.preset, request.timeout_s, request.threads, request.seed) == ("quick", 7.0, 1, 5)
    assert (request.fresh_cache, request.results, request.implementations) == (True, Path("here"), (mine,))


def test_without_options_the_standard_preset_measures_everything(run: Run, asked: list[Request]) -> None:
    assert run("bench")[0] == 0
    (request,) = asked
    assert request.preset == "standard"
    assert not any(getattr(request.selection, axis) for axis in request.selection.__dataclass_fields__)
    assert request.results == Path("results")


@pytest.mark.parametrize(
    ("arguments", "limit_s"),
    [
        (["--preset", "quick"], PRESETS["quick"]),
        (["--preset", "full"], None),
        (["--limit", "7.5"], 7.5),
        (["--preset", "quick", "--limit", "none"], None),
    ],
)
def test_the_limit_is_the_presets_unless_it_is_given(
    run: Run, asked: list[Request], arguments: list[str], limit_s: float | None
) -> None:
    assert run("bench", *arguments)[0] == 0
    assert asked[0].limit_s == limit_s


# --- profiles -------------------------------------------------------------------------------------------------------


@pytest.fixture
def showing(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Have what shows traces at hand, and note which it is asked to show."""
    shown: list[Path] = []
    monkeypatch.setattr(viewer, "available_reason", lambda: "")

    def serve(traces: Path, say: Callable[[str], None]) -> None:
        shown.append(traces)
        say("http://127.0.0.1:1/#[bold] shows the traces until Ctrl-C")

    monkeypatch.setattr(viewer, "serve", serve)
    return shown


def test_the_options_of_profile_become_a_request_for_that_suite_alone(
    run: Run, asked: list[Request], tmp_path: Path
) -> None:
    mine = write_function(tmp_path / "mine")
    chosen = ["--function", "twice", "--implementation", "reference", "--mode", "eager", "--dtype", "bfloat16"]
    more = ["--shape", "8", "--layout", "strided", "--device", "cpu", "--only-mine", "--implementations", mine]
    rest = ["--preset", "quick", "--timeout", "7", "--threads", "1", "--seed", "5", "--results", "here"]
    assert run("profile", *chosen, *more, *rest) == (0, "", "")
    (request,) = asked
    assert request.selection == Selection(
        suites=("profile",),
        functions=("twice",),
        implementations=("reference",),
        modes=("eager",),
        devices=("cpu",),
        dtypes=("bfloat16",),
        shapes=("8",),
        layouts=("strided",),
    )
    assert (request.preset, request.timeout_s, request.threads, request.seed) == ("quick", 7.0, 1, 5)
    assert (request.results, request.implementations, request.only_mine) == (Path("here"), (mine,), True)
    assert (request.limit_s, request.fresh_cache, request.timing) == (None, False, Timing())


def test_profile_without_options_takes_the_standard_preset_and_everything(run: Run, asked: list[Request]) -> None:
    assert run("profile")[0] == 0
    (request,) = asked
    assert (request.preset, request.selection) == ("standard", Selection(suites=("profile",)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--function", "gelu"], "--function 'gelu' is not one of: multiply, relu, ternary_activation"),
        (["--preset", "fast"], "--preset 'fast' is not one of: quick, standard, full"),
        (["--threads", "0"], "--threads 0 must be at least 1"),
        (["--timeout", "0"], "--timeout 0 must be above 0 seconds"),
        (["--only-mine"], "--only-mine needs --implementations PATH"),
        (["--suite", "speed"], "--suite"),  # it has none: what it does must run alone
        (["--pass", "forward"], "--pass"),
    ],
)
def test_a_bad_value_for_profile_is_one_line(run: Run, asked: list[Request], arguments: list[str], words: str) -> None:
    status, out, err = run("profile", *arguments)
    assert (status, out, asked) == (2, "", [])
    assert len(err.splitlines()) == 1, err
    assert words in err


def test_profile_says_where_the_traces_are_and_how_to_see_them(
    run: Run, asked: list[Request], showing: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "re[s]ults" / "traces").mkdir(parents=True)
    status, out, err = run("profile", "--results", "re[s]ults")
    assert (status, err) == (0, "")
    where, how = out.splitlines()
    assert where == "traces: re[s]ults/traces, for Perfetto and chrome://tracing, too"
    assert how.startswith("to see them in TensorBoard: ")
    assert viewer.command_for(Path("re[s]ults/traces")) in how
    assert showing == []


def test_where_nothing_was_traced_there_is_nothing_to_see(run: Run, asked: list[Request], showing: list[Path]) -> None:
    assert run("profile", "--open") == (0, "", "")
    assert showing == []


def test_profile_opens_its_traces_where_it_is_asked_to(
    run: Run, asked: list[Request], showing: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "results" / "traces").mkdir(parents=True)
    status, out, err = run("profile", "--open")
    assert (status, err) == (0, "")
    assert showing == [Path("results/traces")]
    assert out.splitlines()[1:] == ["http://127.0.0.1:1/#[bold] shows the traces until Ctrl-C"]


def test_without_what_shows_traces_open_is_refused_before_anything_runs(
    run: Run, asked: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer, "NEEDED", ("no_such_board",))
    status, out, err = run("profile", "--open")
    assert (status, out, asked) == (2, "", [])
    (line,) = err.splitlines()
    assert line.startswith("--open: no_such_board cannot be imported; `pip install 'gradgauge[profile]'`")


def test_a_viewer_that_fails_ends_with_1_and_its_reason(
    run: Run, asked: list[Request], showing: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(traces: Path, say: Callable[[str], None]) -> None:
        raise ViewerFailed("TensorBoard ended with status 3")

    monkeypatch.setattr(viewer, "serve", fail)
    (tmp_path / "results" / "traces").mkdir(parents=True)
    status, _, err = run("profile", "--open")
    assert (status, err) == (1, "TensorBoard ended with status 3\n")


# --- how it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [
        (Interrupted(RunFolder(Path("results/runs/x"))), 130, "interrupted; `gradgauge report results/runs/x` shows"),
        (Refused("--device 'x' is not on this machine"), 2, "--device 'x'"),
        (WorkerLost("the measuring process died"), 1, "the measuring process died"),
    ],
)
def test_what_ends_a_run_has_its_exit_status_and_its_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, raised: Exception, status: int, words: str
) -> None:
    def run_bench(request: Request, watch: object) -> Outcome:
        raise raised

    monkeypatch.setattr(cli, "run_bench", run_bench)
    code, _, err = run("bench")
    assert code == status
    assert len(err.splitlines()) == 1
    assert words in err


def test_ctrl_c_outside_measuring_is_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run_bench", interrupt)
    assert run("bench")[0] == 130


def test_a_run_with_problems_names_them_and_ends_with_1(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    problems = tuple(f"fail: case {index} [input a]" for index in range(cli.MOST_PROBLEMS + 3))
    outcome = Outcome(RunFolder(tmp_path), 1, problems)
    monkeypatch.setattr(cli, "run_bench", lambda request, watch: outcome)
    monkeypatch.setattr("gradgauge.report.write_report", lambda folder: tmp_path / "report.html")
    monkeypatch.setattr("gradgauge.report.summary_lines", lambda folder: ["where is fastest"])
    status, out, _ = run("bench")
    assert status == 1
    lines = out.splitlines()
    assert lines[0] == "where is fastest"
    assert "fail: case 0 [input a]" in lines
    assert "fail: case 19 [input a]" in lines
    assert "fail: case 20 [input a]" not in lines
    assert any(line.startswith("… and 3 more in ") for line in lines)
    assert lines[-1] == f"report: {tmp_path / 'report.html'}"


# --- the other commands ---------------------------------------------------------------------------------------------


def test_the_version(run: Run) -> None:
    assert run("--version") == (0, f"gradgauge {__version__}\n", "")


def test_list_shows_every_implementation_with_convention(run: Run) -> None:
    status, out, err = run("list")
    assert (status, err) == (0, "")
    for word in (
        "multiply",
        "lean_function",
        "masked_function",
        "native",
        "published",
        "0 at x = 0",
        "Expected to fail",
    ):
        assert word in out


def test_list_says_what_is_broken_with_file_and_line_and_ends_with_1(run: Run, tmp_path: Path) -> None:
    mine = write_function(tmp_path / "mine", bad="x = 1\nraise ValueError('why not')", good=REFERENCE_PY)
    status, out, err = run("list", "--implementations", mine)
    assert status == 1
    assert err == f"broken: {mine / 'twice' / 'bad.py'}:2: ValueError: why not\n"
    assert "good" in out


def test_list_knows_no_device_that_is_not_there(run: Run) -> None:
    status, _, err = run("list", "--device", "warp")
    assert status == 2
    assert "--device 'warp' is not on this machine, which has: cpu" in err


def test_show_prints_the_specification(run: Run) -> None:
    status, out, err = run("show", "relu")
    assert (status, err) == (0, "")
    assert "f(x) = x   for x ≥ 0" in out
    assert "x = 0: slopes (0.0, 1.0)" in out
    assert "multiply" not in out


def test_show_knows_the_functions_of_a_folder(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("show", "twice", "--implementations", write_function(tmp_path / "mine"))
    assert status == 0
    assert "f(x) = 2x" in out


def test_show_names_the_functions_that_there_are(run: Run) -> None:
    status, out, err = run("show", "nothing")
    assert (status, out) == (2, "")
    assert err == "--function 'nothing' is not one of: multiply, relu, ternary_activation\n"


def a_newest_run(results: Path, *records: Record) -> RunFolder:
    """Return the newest run below `results`, which tried the behaviour of relu."""
    folder = synthetic.write_run(results / "runs", list(records), [], metrics=synthetic_behavior.metrics())
    folder.link_as_latest()
    return folder


def test_show_prints_where_each_implementation_can_be_used(run: Run, tmp_path: Path) -> None:
    folder = a_newest_run(tmp_path / "results", *synthetic_behavior.behaviors())
    status, out, err = run("show", "relu")
    assert (status, err) == (0, "")
    assert f"measured in run {folder.run_id}, 2025-11-23T05:44:00+00:00 (cpu, float32)" in out
    for name, signs in {"twice": "✓ ✓ ✓ ✓", "mapped": "∅1 ∅1 ✓ ✓", "captured": "✓ — ✓ —"}.items():
        assert re.search(rf"^ +{name} +{signs.replace(' ', ' +')} *$", out, re.MULTILINE), name
    assert out.count(synthetic_behavior.SETUP) == 1
    assert "∅1 mapped, mapped_slope: masked_function" in out
    assert f"elsewhere: all \n      {synthetic_behavior.IDLE}" in re.sub(" +\n", " \n", out)
    assert "not measured: native, where" in out


def test_show_of_another_folder_reads_its_runs(run: Run, tmp_path: Path) -> None:
    a_newest_run(tmp_path / "mine", *synthetic_behavior.behaviors())
    assert "measured in run" in run("show", "relu", "--results", "mine")[1]
    assert "measured in run" not in run("show", "relu")[1]


def test_show_without_a_run_says_how_to_get_one(run: Run, tmp_path: Path) -> None:
    status, out, err = run("show", "relu")
    assert (status, err) == (0, "")
    assert "f(x) = x   for x ≥ 0" in out
    assert "not measured: there is no results/runs/latest; " in out
    assert "`gradgauge bench --suite behavior --function relu` tries it" in out
    mine = write_function(tmp_path / "my own")
    _, out, _ = run("show", "twice", "--implementations", mine, "--results", "there")
    assert f"--function twice --implementations '{mine}' --results there` tries it" in out


def test_show_of_a_run_that_tried_something_else_names_it(run: Run, tmp_path: Path) -> None:
    folder = a_newest_run(tmp_path / "results", *synthetic_behavior.behaviors())
    status, out, _ = run("show", "multiply")
    assert status == 0
    assert f"not measured in the newest run, {folder.run_id}; `gradgauge bench --suite behavior" in out


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("run.json", '{"schema_version": 0}', "schema_version 0, this gradgauge reads 1"),
        ("run.json", "[bold]{", "not JSON"),
        ("run.json", '{"schema_version": 1, "catalog": []}', "expected an object"),
        ("records.jsonl", '{"suite": "behavior", "verdict": "perhaps"}\n', "expected one of"),
        ("records.jsonl", "[]\n", "not an object"),
        ("run.json", None, "is not a run folder: it has no run.json"),
    ],
)
def test_show_says_of_a_run_that_it_cannot_read_in_a_line_why(
    run: Run, tmp_path: Path, file: str, content: str | None, words: str
) -> None:
    folder = a_newest_run(tmp_path / "results", *synthetic_behavior.behaviors())
    broken = folder.path / file
    if content is None:
        broken.unlink()
    else:
        broken.write_text(content, encoding="utf-8")
    status, out, err = run("show", "relu")
    assert (status, err) == (0, "")
    (line,) = [line for line in out.splitlines() if "not known: " in line]
    assert words in line
    assert "f(x) = x   for x ≥ 0" in out


def test_report_writes_the_page_and_prints_where(run: Run, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    write = spying(given, lambda found, output: (found.path, output), lambda found, output: output)
    monkeypatch.setattr("gradgauge.report.write_report", write)
    folder.write_description({})
    assert run("report", folder.path, "--output", "page.html") == (0, "page.html\n", "")
    assert given == [(folder.path.resolve(), Path("page.html"))]


def test_report_of_what_is_no_run_is_usage(run: Run) -> None:
    status, _, err = run("report", "nowhere")
    assert status == 2
    assert err == "nowhere is not a run folder: it has no run.json\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a", "--format", "xml"], "--format 'xml' is not one of: html, markdown, csv, parquet"),
        (["a", "b", "./a"], "a is the same run as a: each can be given once"),
        (["a", "latest"], "latest is the same run as a"),
        (["a"] * 9, "9 runs, of which 8 fit side by side: --trend shows any number"),
        (["a", "--output", "-"], "--output - is for --format markdown and csv: name a file for html"),
        (["a", "--format", "parquet", "--output", "-"], "name a file for parquet"),
        (["--trend", "a"], "--trend is about all runs below --results, and takes no RUN: a"),
        (["--trend", "--format", "csv"], "--trend is a page: --format csv is for runs"),
        (["--trend", "--results", "c"], "no run can be read below c, which has no folder with a run.json"),
        (["a", "newer"], "newer/run.json: schema_version 99, this gradgauge reads 1"),
        (["a", "--format", "csv", "--output", "no/such/file"], "no/such/file.tmp: No such file or directory"),
    ],
)
def test_what_no_report_can_be_made_of_is_usage(run: Run, tmp_path: Path, arguments: list[str], words: str) -> None:
    for name in ("a", "b"):
        synthetic.write_run(tmp_path, [], []).path.rename(tmp_path / name)
    (tmp_path / "latest").symlink_to("a")
    (tmp_path / "c").mkdir()
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "run.json").write_text('{"schema_version": 99}', encoding="utf-8")
    status, out, err = run("report", *arguments)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert words in err.replace(f"{tmp_path}/", "")


def test_a_format_that_needs_what_is_not_installed_is_usage(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradgauge.report.tabular.find_spec", lambda name: None)
    status, _, err = run("report", "a", "--format", "parquet")
    assert status == 2
    assert err == "--format parquet: pyarrow is not installed: pip install 'gradgauge[parquet]'\n"


def test_a_report_goes_into_the_run_folder_and_one_of_several_below_the_results(run: Run, tmp_path: Path) -> None:
    records = list(synthetic.odd_records())
    for name in ("a", "b"):
        synthetic.write_run(tmp_path, records, []).path.rename(tmp_path / name)
    assert run("report", "a", "--format", "csv") == (0, f"{tmp_path / 'a' / 'records.csv'}\n", "")
    assert run("report", "a", "--format", "markdown") == (0, f"{tmp_path / 'a' / 'report.md'}\n", "")
    assert run("report", "a", "b") == (0, "results/comparisons/a..b.html\n", "")
    assert run("report", "b", "a", "--results", "c", "--format", "markdown") == (0, "c/comparisons/b..a.md\n", "")
    assert run("report", "--trend", "--results", ".") == (0, "trend.html\n", "")
    for file in (
        "a/records.csv",
        "a/report.md",
        "results/comparisons/a..b.html",
        "c/comparisons/b..a.md",
        "trend.html",
    ):
        assert (tmp_path / file).stat().st_size > 0


def test_a_report_on_standard_output_is_nothing_but_the_report(run: Run, folder: RunFolder) -> None:
    folder.write_description({"run_id": "x", **synthetic.description()})
    status, out, err = run("report", folder.path, "--format", "markdown", "--output", "-")
    assert (status, err) == (0, "")
    assert out.startswith("## gradgauge · x\n")
    assert len(out.splitlines()) > 10


@pytest.mark.parametrize("arguments", [["--help"], ["bench", "--help"]])
def test_help_is_help(run: Run, arguments: list[str]) -> None:
    status, out, _ = run(*arguments)
    assert status == 0
    assert "Measure" in out


def test_an_unknown_command_is_usage(run: Run) -> None:
    status, _, err = run("benhc")
    assert status == 2
    assert "benhc" in err


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = python("-m", "gradgauge", "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"gradgauge {__version__}\n")


def test_a_kill_is_taken_as_ctrl_c(run: Run) -> None:
    run("--version")
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
