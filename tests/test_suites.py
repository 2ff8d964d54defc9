"""The suites as they run, in this process: what is wrong is told, what is right passes, in every dtype."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from gradgauge.atlas import KINDS
from gradgauge.cases import DTYPES, PASSES
from gradgauge.catalog import builtin_folder
from gradgauge.clocks import Reading, WallClock
from gradgauge.gauge import Gauge
from gradgauge.passes import Pass, Subject
from gradgauge.runs import RunFolder
from gradgauge.timing import Timing
from tests.fakes import Line, Measured, a_job, measure_here, write_function

KEYS = ("suite", "function", "implementation", "mode", "pass", "device", "dtype", "shape", "layout", "metric")
ULPS = ("value_max_ulp", "gradient_max_ulp")


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Return the gradients suite's verdicts on the built-in functions, run eagerly."""
    folder = RunFolder.create(tmp_path_factory.mktemp("checked"))
    chosen = {
        "suites": ("gradients",),
        "modes": ("eager",),
        "devices": ("cpu",),
        "shapes": ("48x48",),
        "dtypes": DTYPES,
    }
    return measure_here(folder, a_job(folder, chosen))


BUILT_IN = sorted(
    (file.parent.name, file.stem)
    for file in builtin_folder("implementations").glob("*/*.py")
    if file.stem not in ("function", "published")
)


# Besides the kinds of the main inputs.
COTANGENTS = {
    f"{which} cotangent"
    for which in ("transposed", "strided", "sliced", "channels-last", "repeated", "zero", "large", "small")
}
INPUTS = {f"{layout} input" for layout in ("transposed", "strided", "sliced", "channels-last", "expanded")}
ELSEWHERE = {"0-d", "empty", "interleaved", "ranks"}
OF_SEVERAL_INPUTS = {"broadcast", "long sum", "partial", "mixed input"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("function", "name"), BUILT_IN)
def test_every_right_built_in_passes_in_every_cell(checked: Measured, function: str, name: str, dtype: str) -> None:
    lines = checked_lines(checked, function, name, dtype)
    main = {"random", "far", "edges", "nonfinite", *(["kinks"] if function != "multiply" else [])}
    ways = COTANGENTS | INPUTS | ELSEWHERE | (OF_SEVERAL_INPUTS if function == "multiply" else set())
    inputs = ("a", "b") if function == "multiply" else ("x",)
    found: dict[str, set[tuple[str, str]]] = {}
    for line in lines:
        if line["verdict"] == "pass" and "kind" in line["labels"]:
            cell = (line["labels"]["kind"], line["labels"].get("input", ""))
            found.setdefault(line["metric"], set()).add(cell)
    for metric in ("gradient_max_ulp", "gradient_nonfinite"):
        assert found[metric] == {(kind, one) for kind in main | ways - {"empty"} for one in inputs}
    for metric in ("value_max_ulp", "value_nonfinite"):
        assert found[metric] == {(kind, "") for kind in (main | ways | {"no gradient"}) - {"empty"} - COTANGENTS}
    for metric in ("overwritten", "gradient_mended"):
        assert found[metric] == {(kind, "") for kind in ways | {"random", "no gradient"}}
    for metric in ("gradcheck", "gradgradcheck"):
        assert found.get(metric, set()) == ({("smooth", "")} if dtype == "float64" else set())
    zeros = {(kind, "") for kind in ("kinks", "edges") if kind in main} if function != "relu" else set()
    assert found.get("value_zero_sign", set()) == zeros
    assert not [line for line in lines if line["verdict"] not in ("pass", "measured", "not-applicable")]
    empty = [line for line in lines if line["labels"].get("kind") == "empty" and line["metric"] == "gradient_max_ulp"]
    assert {line["verdict"] for line in empty} == {"not-applicable"}
    slopes = [line for line in lines if line["metric"] == "kink_slope" and line["verdict"] == "pass"]
    assert len(slopes) == {"multiply": 0, "relu": 1, "ternary_activation": 2}[function]


def checked_lines(checked: Measured, function: str, name: str, dtype: str) -> list[Line]:
    keys = {"function": function, "implementation": name, "dtype": dtype}
    return [line for line in checked.records if all(line[key] == value for key, value in keys.items())]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_published_backward_is_expected_to_fail_in_both_gradient_metrics(checked: Measured, dtype: str) -> None:
    lines = checked_lines(checked, "ternary_activation", "published", dtype)
    cells = {(line["metric"], line["labels"]["kind"]): line for line in lines if "kind" in line["labels"]}
    for cell in (("gradient_max_ulp", "random"), ("gradient_nonfinite", "edges"), ("gradient_nonfinite", "nonfinite")):
        assert cells[cell]["verdict"] == "expected-fail"
        assert "— expected: " in cells[cell]["detail"]
        assert cells[cell]["value"] > 0
    assert not [line for line in lines if line["verdict"] == "fail"]
    for metric in ("value_max_ulp", "value_nonfinite"):
        assert cells[metric, "random"]["verdict"] == cells[metric, "edges"]["verdict"] == "pass"


@pytest.mark.parametrize("dtype", DTYPES)
def test_both_faults_of_the_published_backward_are_found_by_name(checked: Measured, dtype: str) -> None:
    lines = checked_lines(checked, "ternary_activation", "published", dtype)
    cells = {(line["metric"], line["labels"].get("kind")): line["detail"] for line in lines}
    # In float16 exp(|x| − 5)² overflows from 10.5 on, and the gradient is 0 before it is NaN.
    low = "−10.54 ≤ " if dtype == "float16" else ""
    assert f"the sign is wrong for {low}x < −5" in cells["gradient_max_ulp", "random"]
    # What exp overflows at depends on the dtype; which edges lie beyond, too.
    first = {"float64": "1e+04", "float32": "95", "bfloat16": "94", "float16": "29.88"}[dtype]
    assert f"NaN for x ≤ −{first} and x ≥ {first}" in cells["gradient_nonfinite", "edges"]
    assert "NaN for x = −inf and x = inf" in cells["gradient_nonfinite", "nonfinite"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_budget_is_proved_to_reject_what_is_wrong(checked: Measured, dtype: str) -> None:
    lines = [line for line in checked.records if "budget_ulp" in line["metric"] and line["dtype"] == dtype]
    assert {(line["function"], line["implementation"]) for line in lines} == {
        (name, "reference") for name in ("multiply", "relu", "ternary_activation")
    }
    assert len(lines) == 3 + 4  # values, and gradients of one, one and two inputs
    for line in lines:
        assert line["verdict"] == "pass"
        assert line["value"] >= 0.5
        assert "times what is excused" in line["detail"]


def test_the_references_are_within_4_ulp_of_50_digits(checked: Measured) -> None:
    lines = [line for line in checked.records if line["metric"].startswith("reference_")]
    assert len(lines) == 3 + 4
    for line in lines:
        assert (line["dtype"], line["verdict"]) == ("float64", "pass")
        assert line["value"] <= 4
        assert int(line["detail"].split()[0]) > 400


def test_only_who_computes_it_for_nothing_has_needless_gradients(checked: Measured) -> None:
    lines = checked.find("gradient_needless", dtype="float32")
    assert {line["implementation"]: line["value"] for line in lines} == {
        "custom_function": 2,  # one for each of the two inputs, when the other alone is asked for
        "lean_function": 0,
        "reference": 0,
    }


def test_the_sign_of_zero_is_a_convention_where_the_function_leaves_it_open(checked: Measured) -> None:
    lines = checked.find("value_zero_sign", function="relu")
    assert {line["verdict"] for line in lines} == {"measured"}
    lines = checked.find("value_zero_sign", function="ternary_activation")
    assert {line["verdict"] for line in lines} == {"pass"}


def test_the_atlas_has_each_place_once_and_marks_what_is_wrong(checked: Measured) -> None:
    lines = checked.find("atlas_gradient", function="ternary_activation", implementation="published")
    places = {line["labels"]["at"]: line for line in lines}
    assert len(places) == len(lines) > 30
    assert (places["−5"]["verdict"], places["−5"]["value"]) == ("pass", pytest.approx(0.1))
    assert places["−5"]["detail"] == "any slope from 0.1 to 0.25 is right"
    assert places["−5 − 1 ulp"]["verdict"] == places["largest"]["verdict"] == "expected-fail"
    assert places["largest"]["detail"] == "NaN; 0 is right"
    assert places["NaN"]["verdict"] == "measured"


def test_errors_are_described_beyond_the_largest_ulp(checked: Measured) -> None:
    keys = {"function": "ternary_activation", "implementation": "where", "dtype": "float32"}
    for what in ("value", "gradient"):
        (p999,) = checked.find(f"{what}_p999_ulp", **keys)
        most = [line for line in checked.find(f"{what}_max_ulp", **keys) if line["labels"]["kind"] == "random"]
        assert 0 < p999["value"] <= most[0]["value"]
        (cosine,) = checked.find(f"{what}_cosine", **keys)
        assert cosine["value"] == pytest.approx(1.0, abs=1e-6)
        (absolute,) = checked.find(f"{what}_max_abs", **keys)
        assert 0 < absolute["value"] < 1e-6
    (relative,) = checked.find("gradient_max_rel", **keys)
    assert relative["value"] == pytest.approx(1.0)  # far out the literal formula's gradient is 0


def test_a_convention_is_measured_and_told(checked: Measured) -> None:
    slopes = {
        line["implementation"]: line["value"] for line in checked.find("kink_slope", function="relu", dtype="float32")
    }
    assert slopes["native"] == 0.0
    assert slopes["where"] == slopes["masked_function"] == slopes["reference"] == 1.0


def test_the_reference_is_no_yardstick_for_itself_and_the_others_are_measured_by_it(checked: Measured) -> None:
    for line in checked.find("gradient_error_ratio", function="relu"):
        if line["implementation"] == "reference":
            assert (line["verdict"], line["value"]) == ("not-applicable", None)
        else:
            assert line["verdict"] == "measured"
            assert line["value"] >= 0
    (worst,) = checked.find("gradient_error_ratio", implementation="published", dtype="float64")
    assert worst["value"] > 1e9


def test_tails_are_told_and_not_judged(checked: Measured) -> None:
    (line,) = checked.find("gradient_tail_ulp", function="ternary_activation", implementation="where", dtype="float32")
    assert line["verdict"] == "measured"
    assert line["value"] > 1e4  # the literal formula loses the far gradient entirely
    (line,) = checked.find("gradient_tail_ulp", function="relu", implementation="where", dtype="float32")
    assert (line["verdict"], line["value"]) == ("not-applicable", None)


def test_curves_are_drawn_once_for_each_implementation_and_input(checked: Measured) -> None:
    drawn = [(line["function"], line["implementation"], line["series"], line["x_unit"]) for line in checked.series]
    assert len(drawn) == len(set(drawn))
    names = [*BUILT_IN, ("ternary_activation", "published")]
    wanted = {(*pair, series, along) for pair in names for series in SERIES for along in along_of(pair[0])}
    assert wanted <= set(drawn)
    assert {line["dtype"] for line in checked.series} == {"float32"}


SERIES = tuple(f"{what}{suffix}" for what in ("value", "gradient") for suffix in ("", "_error", "_budget"))


def along_of(function: str) -> tuple[str, ...]:
    return ("a", "b") if function == "multiply" else ("",)


def test_all_records_are_unique_and_finite(checked: Measured) -> None:
    assert_unique(checked.records)
    assert len(checked.records) > 500


def assert_unique(records: list[Line]) -> None:
    keys = [(*(line[key] for key in KEYS), str(sorted(line["labels"].items()))) for line in records]
    assert len(set(keys)) == len(keys)
    for line in records:
        assert all(line[key] is None or math.isfinite(line[key]) for key in ("value", "low", "high"))


# --- other functions ------------------------------------------------------------------------------------------------


def measure(folder: RunFolder, root: Path, suite: str, **chosen: Any) -> Measured:
    selection = {"suites": (suite,), "modes": ("eager",), "devices": ("cpu",), **chosen}
    job = a_job(folder, selection, implementations=(str(root),), only_mine=True)
    return measure_here(folder, job)


WRONG_METRIC = """
from gradgauge.model import Implementation
IMPLEMENTATION = Implementation(call=lambda x: 2 * x, expected_fail={"time": "slow"})
"""


def test_an_expected_failure_of_what_is_not_judged_fails(folder: RunFolder, tmp_path: Path) -> None:
    root = write_function(tmp_path / "mine", wrong=WRONG_METRIC)
    measured = measure(folder, root, "gradients", shapes=("8",), dtypes=("float32",))
    (failed,) = [line for line in measured.records if line["verdict"] == "fail"]
    assert (failed["implementation"], failed["labels"]) == ("wrong", {"expected_fail": "time"})
    assert "expected_fail names 'time', which is not judged" in failed["detail"]
    assert_unique(measured.records)


RAISING = "from gradgauge.model import Implementation\nIMPLEMENTATION = Implementation(call=lambda x: 1 / 0)\n"


@pytest.mark.parametrize(
    ("suite", "metric"), [("gradients", "value_max_ulp"), ("memory", "peak_bytes"), ("speed", "time")]
)
def test_where_the_reference_raises_nothing_is_applicable(
    folder: RunFolder, tmp_path: Path, suite: str, metric: str
) -> None:
    root = write_function(tmp_path / "mine", reference=RAISING)
    measured = measure(folder, root, suite, shapes=("8",), dtypes=("float32",))
    assert measured.records
    assert {(line["metric"], line["verdict"]) for line in measured.records} == {(metric, "not-applicable")}
    assert "the reference raised ZeroDivisionError" in measured.records[0]["detail"]


@pytest.mark.parametrize("shape", ["0x3", "scalar"])
def test_empty_and_0_d_tensors_behave_as_the_reference_does(folder: RunFolder, shape: str) -> None:
    chosen = {
        "suites": ("gradients",),
        "modes": ("eager",),
        "devices": ("cpu",),
        "functions": ("relu", "ternary_activation"),
        "shapes": (shape,),
        "dtypes": ("float32", "bfloat16"),
    }
    measured = measure_here(folder, a_job(folder, chosen))
    main = [line for line in measured.records if line["labels"].get("kind") in (*KINDS, "")]
    lines = [line for line in main if line["metric"] in ULPS and line["implementation"] != "published"]
    assert {line["labels"]["kind"] for line in lines} == ({"random"} if shape == "0x3" else set(KINDS))
    assert {line["verdict"] for line in lines if line["value"] is not None or shape == "0x3"} == (
        {"not-applicable"} if shape == "0x3" else {"pass"}
    )


def test_an_expected_failure_that_no_element_can_show_is_no_failure(folder: RunFolder) -> None:
    chosen = {
        "suites": ("gradients",),
        "modes": ("eager",),
        "devices": ("cpu",),
        "functions": ("ternary_activation",),
        "implementations": ("published",),
        "shapes": ("0x3",),
    }
    measured = measure_here(folder, a_job(folder, chosen))
    assert measured.records
    assert not [line for line in measured.records if line["verdict"] == "fail"]


# --- memory and speed -----------------------------------------------------------------------------------------------


def test_memory_has_a_peak_for_each_pass_and_what_forward_saves(folder: RunFolder) -> None:
    chosen = {
        "suites": ("memory",),
        "modes": ("eager",),
        "devices": ("cpu",),
        "functions": ("relu",),
        "implementations": ("masked_function", "where"),
        "shapes": ("64x64",),
    }
    measured = measure_here(folder, a_job(folder, chosen))
    saved = {line["implementation"]: line["value"] for line in measured.find("saved_bytes", pass_="forward")}
    assert saved == {"masked_function": 4 * 64 * 64, "where": 64 * 64}
    assert len(measured.find("saved_bytes")) == 2
    peaks = measured.find("peak_bytes")
    assert len(peaks) == 8
    assert all(line["value"] > 0 and line["low"] is None and line["samples"] is None for line in peaks)
    assert {line["verdict"] for line in measured.records} == {"measured"}


def test_what_raises_fails_in_memory_and_speed_and_costs_only_itself(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gauge, "block_budget_s", lambda self: 0.0)
    root = write_function(tmp_path / "mine", broken=RAISING)
    chosen = {"suites": ("memory", "speed"), "modes": ("eager",), "devices": ("cpu",), "shapes": ("8",)}
    measured = measure_here(folder, a_job(folder, chosen, implementations=(str(root),), only_mine=True))
    broken = {
        (line["suite"], line["metric"], line["verdict"])
        for line in measured.records
        if line["implementation"] == "broken"
    }
    assert broken == {
        ("memory", "peak_bytes", "fail"),
        ("memory", "saved_bytes", "fail"),
        ("speed", "moved_bytes", "measured"),  # by the definition: nothing need run for it
        ("speed", "time", "fail"),
    }
    good = {line["verdict"] for line in measured.records if line["implementation"] == "reference"}
    assert good <= {"measured", "noisy"}


def test_speed_files_time_speedup_and_the_same_rounds_for_pytest_benchmark(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gauge, "block_budget_s", lambda self: 0.0)
    chosen = {
        "suites": ("speed",),
        "modes": ("eager",),
        "devices": ("cpu",),
        "functions": ("relu",),
        "implementations": ("where",),
        "passes": ("forward", "backward"),
        "shapes": ("16x16",),
    }
    measured = measure_here(folder, a_job(folder, chosen))
    times, speedups = measured.find("time"), measured.find("speedup")
    assert {(line["implementation"], line["pass"]) for line in times} == {
        (name, pass_) for name in ("reference", "where") for pass_ in ("forward", "backward")
    }
    assert {line["value"] for line in speedups if line["implementation"] == "reference"} == {1.0}
    entries = {
        entry["param"]: entry
        for entry in (event["entry"] for event in measured.events if event["event"] == "benchmark")
    }
    assert len(entries) == len(times) == len(speedups) == 4
    for line in times:
        (entry,) = [each for each in entries.values() if same_case(each["extra_info"], line)]
        assert entry["stats"]["median"] == pytest.approx(line["value"])
        assert entry["stats"]["rounds"] == line["samples"] >= 7
        assert line["low"] <= line["value"] <= line["high"]
    assert_unique(measured.records)


def same_case(info: dict[str, Any], line: Line) -> bool:
    return all(info[key] == line[key] for key in KEYS if key != "metric")


# It raises under inference_mode alone, so that tensors can still be prepared with it.
MOODY = """
import torch
from gradgauge.model import Implementation

def call(x):
    if torch.is_inference_mode_enabled():
        raise RuntimeError("not now")
    return 2 * x

IMPLEMENTATION = Implementation(call=call)
"""
STEADY = "from gradgauge.model import Implementation\nIMPLEMENTATION = Implementation(call=lambda x: x + x)\n"


def test_where_the_reference_cannot_be_timed_there_is_no_speedup(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gauge, "block_budget_s", lambda self: 0.0)
    root = write_function(tmp_path / "mine", reference=MOODY, steady=STEADY)
    measured = measure(folder, root, "speed", shapes=("8",), passes=("inference",))
    found = {(line["implementation"], line["metric"]): line for line in measured.records}
    assert found["reference", "time"]["verdict"] == "fail"
    assert found["steady", "time"]["verdict"] in {"measured", "noisy"}
    assert found["steady", "speedup"]["verdict"] == "not-applicable"
    assert found["steady", "speedup"]["value"] is None


EAGER_RELU = {
    "suites": ("speed",),
    "modes": ("eager",),
    "devices": ("cpu",),
    "functions": ("relu",),
    "implementations": ("where",),
    "shapes": ("16x16",),
}


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gauge, "block_budget_s", lambda self: 0.0)


@pytest.mark.usefixtures("_hasty")
def test_each_way_of_timing_has_records_and_an_entry_of_its_own(folder: RunFolder) -> None:
    timing = Timing(caches=("warm", "cold"), protocols=("fresh", "retained", "accumulating"))
    chosen = {**EAGER_RELU, "passes": ("inference", "backward")}
    measured = measure_here(folder, a_job(folder, chosen, timing=timing))
    ways = {
        pass_: [
            " ".join(line["labels"].values()) for line in measured.find("time", pass_=pass_, implementation="where")
        ]
        for pass_ in ("inference", "backward")
    }
    assert ways == {
        "inference": ["wall warm", "wall cold"],
        "backward": [
            "wall warm fresh",
            "wall cold fresh",
            "wall warm retained",
            "wall warm accumulating",
            "wall cold accumulating",
        ],
    }
    for metric in ("speedup", "bandwidth", "roof_fraction"):
        assert len(measured.find(metric)) == len(measured.find("time")) == 14
    entries = [event["entry"] for event in measured.events if event["event"] == "benchmark"]
    assert len({(entry["group"], entry["name"]) for entry in entries}) == len(entries) == 14
    assert_unique(measured.records)


@pytest.mark.usefixtures("_hasty")
def test_what_a_case_must_move_is_the_same_for_all_and_bandwidth_follows_from_it(folder: RunFolder) -> None:
    measured = measure_here(folder, a_job(folder, {**EAGER_RELU, "passes": ("backward",)}))
    moved = measured.find("moved_bytes")
    assert [(line["value"], line["labels"], line["low"]) for line in moved] == [(3 * 4 * 256, {}, None)] * 2
    (time,) = measured.find("time", implementation="where")
    (bandwidth,) = measured.find("bandwidth", implementation="where")
    assert bandwidth["value"] == pytest.approx(3 * 4 * 256 / time["value"])
    assert bandwidth["low"] == pytest.approx(3 * 4 * 256 / time["high"])
    assert bandwidth["high"] == pytest.approx(3 * 4 * 256 / time["low"])
    (roof,) = measured.find("roof_fraction", implementation="where")
    assert 0 < roof["low"] <= roof["value"] <= roof["high"]
    assert roof["samples"] == time["samples"]


@pytest.mark.usefixtures("_hasty")
def test_the_control_runs_with_every_block_and_where_the_seconds_went_is_told(folder: RunFolder) -> None:
    measured = measure_here(folder, a_job(folder, {**EAGER_RELU, "passes": ("inference", "forward")}))
    controls = [line for line in measured.series if line["series"] == "control"]
    assert len(controls) == 2
    assert {(line["function"], line["implementation"], line["device"]) for line in controls} == {
        (None, "control", "cpu")
    }
    assert all(seconds > 0 for line in controls for seconds in line["y"])
    assert controls[0]["x"][-1] <= controls[1]["x"][0]
    spent = [event["seconds"] for event in measured.events if event["event"] == "spent"]
    assert len(spent) == 2
    assert all(block["timed_s"] > 0 and block["companions_s"] > 0 for block in spent)


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize(("precision", "verdict"), [(1e-9, "noisy"), (1e9, "measured")])
def test_a_time_wider_than_asked_is_noisy_and_no_less_recorded(
    folder: RunFolder, precision: float, verdict: str
) -> None:
    chosen = {**EAGER_RELU, "passes": ("forward",), "shapes": ("512x512",)}
    measured = measure_here(folder, a_job(folder, chosen, timing=Timing(precision=precision)))
    times = measured.find("time")
    assert {line["verdict"] for line in times} == {verdict}
    assert all(line["value"] > 0 and line["low"] < line["high"] for line in times)


@pytest.mark.usefixtures("_hasty")
def test_a_pass_without_a_graph_to_retain_says_so(folder: RunFolder) -> None:
    chosen = {**EAGER_RELU, "passes": ("forward_backward",)}
    measured = measure_here(folder, a_job(folder, chosen, timing=Timing(protocols=("retained",))))
    assert {line["verdict"] for line in measured.records} == {"not-applicable"}
    assert {line["detail"] for line in measured.records} == {
        "forward_backward on cpu cannot be timed on retained graphs with a warm cache"
    }


@pytest.mark.slow
@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("protocols", [("fresh", "retained"), ("retained", "fresh")])
def test_a_compiled_graph_that_cannot_be_retained_is_unsupported_in_pytorchs_own_words(
    folder: RunFolder, protocols: tuple[str, ...]
) -> None:
    chosen = {**EAGER_RELU, "modes": ("compiled",), "passes": ("backward",)}
    measured = measure_here(folder, a_job(folder, chosen, timing=Timing(protocols=protocols)))
    found = {(line["implementation"], line["labels"]["protocol"]): line for line in measured.find("time")}
    assert found["where", "fresh"]["value"] > 0
    assert found["where", "retained"]["verdict"] == "unsupported"
    assert "donated buffers" in found["where", "retained"]["detail"]
    assert found["reference", "retained"]["value"] > 0  # eager


@pytest.mark.usefixtures("_hasty")
def test_the_machines_peaks_and_the_harness_are_measured_for_no_function(folder: RunFolder) -> None:
    measured = measure_here(
        folder, a_job(folder, {"suites": ("machine",), "devices": ("cpu",), "functions": ("relu",)})
    )
    assert {line["function"] for line in measured.records} == {None}
    found = {(line["implementation"], line["metric"], line["pass"], line["shape"]) for line in measured.records}
    small, large = "65536", "33554432"
    assert found == {
        *((name, "peak_bandwidth", None, shape) for name in ("copy", "clone", "sigmoid") for shape in (small, large)),
        ("matmul", "peak_flops", None, "1024x1024"),
        *(("empty", "overhead", pass_, "1") for pass_ in PASSES),
        *(("custom_function", "function_overhead", pass_, "1") for pass_ in PASSES),
    }
    assert all(line["low"] <= line["value"] <= line["high"] for line in measured.records)
    assert all(line["value"] > 0 for line in measured.records if line["metric"] != "function_overhead")
    assert all(line["labels"] == {"clock": "wall", "cache": "warm"} for line in measured.records)


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("timing", [Timing(protocols=("retained",)), Timing(caches=("cold",), protocols=("retained",))])
def test_the_machine_is_measured_in_the_usual_way_whatever_was_chosen(folder: RunFolder, timing: Timing) -> None:
    chosen = {"suites": ("machine",), "devices": ("cpu",), "functions": ("relu",)}
    measured = measure_here(folder, a_job(folder, chosen, timing=timing))
    assert {line["verdict"] for line in measured.records} <= {"measured", "noisy"}
    assert len(measured.find("overhead")) == 4
    assert [line for line in measured.series if line["series"] == "control"]


@pytest.mark.usefixtures("_hasty")
def test_a_cold_run_is_not_named_like_a_warm_one(folder: RunFolder) -> None:
    chosen = {**EAGER_RELU, "passes": ("inference",)}
    measured = measure_here(folder, a_job(folder, chosen, timing=Timing(caches=("cold",))))
    entries = [event["entry"] for event in measured.events if event["event"] == "benchmark"]
    assert len(entries) == 2
    assert all("cold" in entry["name"] and "cold" in entry["group"] for entry in entries)


def test_what_the_chosen_device_cannot_do_is_listed_as_left_out(folder: RunFolder) -> None:
    timing = Timing(caches=("warm", "cold"), protocols=("fresh", "retained"), cuda_graph=True)
    measured = measure_here(folder, a_job(folder, {**EAGER_RELU, "passes": ("inference",)}, timing=timing))
    (planned,) = [event for event in measured.events if event["event"] == "planned"]
    assert [line["what"] for line in planned["left_out"]][:2] == [
        "replays from CUDA graphs",
        "backward on a retained graph with a cold cache on cpu",
    ]


@pytest.mark.usefixtures("_hasty")
def test_of_what_is_empty_nothing_is_moved_and_no_rate_is_claimed(folder: RunFolder) -> None:
    measured = measure_here(folder, a_job(folder, {**EAGER_RELU, "passes": ("forward",), "shapes": ("0x3",)}))
    assert [line["value"] for line in measured.find("moved_bytes")] == [0, 0]
    for metric in ("bandwidth", "roof_fraction"):
        assert {(line["value"], line["verdict"]) for line in measured.find(metric)} == {(None, "not-applicable")}
    assert all(line["value"] > 0 for line in measured.find("time"))


def test_a_technique_twice_as_fast_as_the_reference_has_a_speedup_of_two(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {"reference": 4e-3, "where": 2e-3}

    def timed(clock: WallClock, pass_: Pass, iterations: int) -> Reading:
        """Tell the subjects apart by what their pass was made of; the copy, half as long as `where`, is neither."""
        held = [cell.cell_contents for cell in getattr(pass_.prepare, "__closure__", None) or ()]
        subject = getattr(pass_.prepare, "__self__", None) or next((x for x in held if isinstance(x, Subject)), None)
        each_s = seconds[subject.case.implementation] if subject else 1e-3
        return Reading(each_s, 0.0, each_s)

    monkeypatch.setattr(WallClock, "time_round", timed)
    measured = measure_here(folder, a_job(folder, {**EAGER_RELU, "passes": ("forward",)}))
    (time,) = measured.find("time", implementation="where")
    (speedup,) = measured.find("speedup", implementation="where")
    (roof,) = measured.find("roof_fraction", implementation="where")
    assert (time["value"], speedup["value"], roof["value"]) == (2e-3, 2.0, 0.5)
    assert {line["verdict"] for line in (time, speedup, roof)} == {"measured"}
