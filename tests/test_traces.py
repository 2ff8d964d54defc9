"""What a trace says, against one that was written by hand: times in microseconds, as the format has them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradgauge.traces import (
    DEVICE,
    HOST,
    IN_NO_OPERATOR,
    Taken,
    Trace,
    busy_share,
    drawn_depth,
    is_drawn,
    is_operator,
    kind_of,
    stacks,
    taken,
)

Event = dict[str, Any]

HOST_TID, ENGINE_TID, STREAM = 11, 12, 7


def event(kind: str, name: str, ts: float, dur: float, tid: int = HOST_TID) -> Event:
    return {"ph": "X", "cat": kind, "name": name, "ts": ts, "dur": dur, "tid": tid, "pid": 1}


def operator(name: str, ts: float, dur: float, tid: int = HOST_TID) -> Event:
    return event("cpu_op", name, ts, dur, tid)


def python(name: str, ts: float, dur: float) -> Event:
    return event("python_function", name, ts, dur)


def region(name: str, ts: float, dur: float) -> Event:
    return event("user_annotation", name, ts, dur)


def step(number: int, ts: float, dur: float) -> Event:
    return region(f"ProfilerStep#{number}", ts, dur)


def kernel(name: str, ts: float, dur: float, stream: int = STREAM, kind: str = "kernel") -> Event:
    return event(kind, name, ts, dur, stream)


def a_step(number: int, begins: float, lasts: float = 100.0) -> list[Event]:
    """Return one step of 100 µs: a forward that waits for its kernels, and a backward with gaps.

    host    |-- forward 0–40 -----------------------------|  |-- backward 50–90 ------------|
              mine.py 2–38                                     autograd engine 52–80
                aten::where 5–25         aten::mul 30–36         MulBackward0 54–78
                  aten::empty 8–10 aten::where 12–22               aten::mul 60–70
    device            where_kernel 20–40          mul 60–65       copy 70–80 (other stream: mul 75–85)
    """
    return [
        step(number, begins, lasts),
        region("relu-where-cpu forward", begins, 40),
        python("mine.py(3): relu", begins + 2, 36),
        operator("aten::where", begins + 5, 20),
        operator("aten::empty", begins + 8, 2),
        operator("aten::where", begins + 12, 10),
        operator("aten::mul", begins + 30, 6),
        region("relu-where-cpu backward", begins + 50, 40),
        operator("autograd::engine::evaluate_function: MulBackward0", begins + 52, 28),
        operator("MulBackward0", begins + 54, 24),
        operator("aten::mul", begins + 60, 10),
        kernel("where_kernel(float*)", begins + 20, 20),
        kernel("mul_kernel(float*)", begins + 60, 5),
        kernel("Memcpy DtoD", begins + 70, 10, kind="gpu_memcpy"),
        kernel("mul_kernel(float*)", begins + 75, 10, stream=8),
    ]


def a_trace(*events: Event) -> Trace:
    """Return a trace of the events, or of one step after the other where none are given."""
    return Trace.of(events or (*a_step(2, 1000), *a_step(3, 1200), *a_step(4, 1400)))


def about(seconds: float) -> Any:
    return pytest.approx(seconds)


# --- spans and steps ------------------------------------------------------------------------------------------------


def test_times_are_seconds_since_the_first_event() -> None:
    first, second, third = a_trace().steps
    assert [each.name for each in (first, second, third)] == ["ProfilerStep#2", "ProfilerStep#3", "ProfilerStep#4"]
    assert [each.start_s for each in (first, second, third)] == [0, about(200e-6), about(400e-6)]
    assert first.end_s == about(100e-6)


def test_steps_are_in_order_and_no_spans() -> None:
    trace = a_trace(*a_step(3, 200), *a_step(2, 0))
    assert [each.name for each in trace.steps] == ["ProfilerStep#2", "ProfilerStep#3"]
    assert not [span for span in trace.spans if span.name.startswith("ProfilerStep")]


def test_a_step_has_what_begins_within_it() -> None:
    trace = a_trace()
    for each in trace.steps:
        assert len(trace.within(each)) == len(a_step(0, 0)) - 1
    lone = a_trace(step(0, 0, 100), operator("aten::a", 0, 1), operator("aten::b", 99, 9), operator("aten::c", 100, 1))
    assert [span.name for span in lone.within(lone.steps[0])] == ["aten::a", "aten::b"]


@pytest.mark.parametrize(
    ("durations", "mean", "typical"), [([60, 10, 20], 30, 20), ([10, 60, 20, 30], 30, 20), ([7], 7, 7)]
)
def test_a_step_is_the_mean_of_all_and_the_typical_one_is_one_of_them(
    durations: list[float], mean: float, typical: float
) -> None:
    trace = a_trace(*(step(number, 100.0 * number, each) for number, each in enumerate(durations)))
    assert trace.step_s == about(mean * 1e-6)
    assert trace.typical.duration_s == about(typical * 1e-6)


def parents_of(*events: Event) -> dict[str, str]:
    return {span.name: span.parent.name if span.parent else "" for span in a_trace(*events).spans}


@pytest.mark.parametrize(
    ("events", "parents"),
    [
        ([operator("a", 0, 10), operator("b", 2, 4), operator("c", 3, 2)], {"a": "", "b": "a", "c": "b"}),
        ([operator("a", 0, 10), operator("b", 2, 2), operator("c", 6, 2)], {"a": "", "b": "a", "c": "a"}),
        ([operator("b", 0, 4), operator("a", 0, 10)], {"a": "", "b": "a"}),  # the longer one of two that begin together
        ([operator("a", 0, 10), operator("b", 6, 4)], {"a": "", "b": "a"}),  # and end together
        ([operator("a", 0, 10), operator("b", 6, 4.0005)], {"a": "", "b": "a"}),  # but for rounding
        ([operator("a", 0, 10), operator("b", 6, 5)], {"a": "", "b": ""}),  # ends behind it: overlaps, is not enclosed
        (
            [operator("o", 0, 20), operator("a", 1, 10), operator("b", 6, 9), operator("c", 12, 2)],
            {"o": "", "a": "o", "b": "o", "c": "b"},
        ),
        ([operator("a", 0, 10), operator("b", 10, 5)], {"a": "", "b": ""}),
        ([operator("a", 0, 10), operator("b", 2, 4, ENGINE_TID)], {"a": "", "b": ""}),  # another thread
        ([operator("a", 0, 10), kernel("k", 2, 4, HOST_TID)], {"a": "", "k": ""}),  # a stream of the same number
        ([step(0, 0, 50), operator("a", 0, 10)], {"a": ""}),
    ],
)
def test_a_span_is_enclosed_by_the_nearest_that_outlasts_it(events: list[Event], parents: dict[str, str]) -> None:
    assert parents_of(*events) == parents


def test_each_thread_and_each_stream_is_a_track() -> None:
    trace = a_trace(operator("aten::a", 0, 1), operator("aten::b", 0, 1, ENGINE_TID), kernel("k", 0, 1))
    assert {span.name: span.track for span in trace.spans} == {
        "aten::a": "host thread 11",
        "aten::b": "host thread 12",
        "k": "device stream 7",
    }


def test_what_does_not_last_or_is_of_no_interest_is_left_out() -> None:
    flow = {"ph": "s", "cat": "ac2g", "name": "flow", "ts": 0, "tid": 1}
    counter = {"ph": "C", "cat": "cpu_op", "name": "[memory]", "ts": 0}
    shadow = event("gpu_user_annotation", "ProfilerStep#0", 0, 1)
    runtime = event("cuda_runtime", "cudaLaunchKernel", 0, 1)
    metadata = {"ph": "M", "name": "process_name"}
    trace = a_trace(flow, counter, shadow, runtime, metadata, operator("aten::a", 5, 1))
    assert [(span.name, span.start_s) for span in trace.spans] == [("aten::a", 0)]
    assert trace.steps == ()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("<built-in function kernel>", "generated kernel"),
        ("## Call CompiledFxGraph fkqx7 ##", "generated graph"),
        ("Torch-Compiled Region: 0/0", "Torch-Compiled Region"),
        ("autograd::engine::evaluate_function: MulBackward0", "autograd engine: MulBackward0"),
        ("autograd::engine::evaluate_function: torch::autograd::AccumulateGrad", "autograd engine: AccumulateGrad"),
        ("<built-in method apply of type object at 0x7f0a1b>", "<built-in method apply of type>"),
        ("/tmp/torchinductor_me/ab/cab.py(10): call", "torchinductor_me/ab/cab.py(10): call"),
        ("/opt/lib/python3.11/site-packages/torch/nn.py(3): relu", "site-packages/torch/nn.py(3): relu"),
        ("aten::mul", "aten::mul"),
    ],
)
def test_names_that_differ_from_run_to_run_are_told_alike(given: str, shown: str) -> None:
    (span,) = a_trace(python(given, 0, 1)).spans
    assert span.name == shown


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("aten::mul", True),
        ("aten::add_", True),
        ("mine::relu", True),
        ("torch::autograd::AccumulateGrad", False),
        ("autograd::engine::evaluate_function", False),
        ("MulBackward0", False),
        ("void at::native::kernel<4>(int)", False),
        ("aten::", False),
        ("", False),
    ],
)
def test_an_operator_is_known_by_its_name(name: str, *, is_one: bool) -> None:
    assert is_operator(name) is is_one


# --- what takes the time --------------------------------------------------------------------------------------------


def test_each_operator_takes_its_own_time_without_what_it_calls() -> None:
    assert [(each.name, each.where, each.self_s, each.calls) for each in taken(a_trace())] == [
        # 100 − (20 + 6 + 28): the outermost operators
        (IN_NO_OPERATOR, HOST, about(46e-6), 1),
        ("where_kernel(float*)", DEVICE, about(20e-6), 1),
        # outside 20 − 2 − 10, within 10
        ("aten::where", HOST, about(18e-6), 2),
        ("aten::mul", HOST, about(16e-6), 2),
        ("mul_kernel(float*)", DEVICE, about(15e-6), 2),
        ("MulBackward0", HOST, about(14e-6), 1),
        ("Memcpy DtoD", DEVICE, about(10e-6), 1),
        ("autograd engine: MulBackward0", HOST, about(4e-6), 1),
        ("aten::empty", HOST, about(2e-6), 1),
    ]


def test_all_of_the_host_together_take_the_step() -> None:
    assert sum(each.self_s for each in taken(a_trace()) if each.where == HOST) == about(100e-6)


def test_python_between_two_operators_belongs_to_the_outer_one() -> None:
    trace = a_trace(
        step(0, 0, 100),
        operator("mine::relu", 10, 50),
        python("mine.py(1): relu", 12, 40),
        operator("aten::mul", 20, 10),
        operator("aten::add", 35, 5),
    )
    found = {each.name: each.self_s for each in taken(trace)}
    assert found == {
        "mine::relu": about(35e-6),
        "aten::mul": about(10e-6),
        "aten::add": about(5e-6),
        IN_NO_OPERATOR: about(50e-6),
    }


def test_a_generated_kernel_is_seen_though_python_alone_calls_it() -> None:
    trace = a_trace(
        step(0, 0, 100),
        operator("CompiledFunction", 5, 60),
        python("torchinductor_me/x.py(3): call", 10, 40),
        python("<built-in function kernel>", 20, 25),
        operator("aten::empty", 12, 4),
    )
    found = {each.name: each.self_s for each in taken(trace)}
    assert found == {
        "CompiledFunction": about(31e-6),
        "generated kernel": about(25e-6),
        "aten::empty": about(4e-6),
        IN_NO_OPERATOR: about(40e-6),
    }
    assert busy_share(trace, HOST) == about(0.29)


def test_calls_and_seconds_are_those_of_one_step() -> None:
    trace = a_trace(step(0, 0, 10), step(1, 10, 30), operator("aten::a", 0, 4), operator("aten::a", 12, 8))
    found = taken(trace)
    assert found == [Taken(IN_NO_OPERATOR, HOST, about(14e-6), 1), Taken("aten::a", HOST, about(6e-6), 1)]


def test_two_threads_at_once_leave_python_no_less_than_nothing() -> None:
    trace = a_trace(step(0, 0, 10), operator("aten::a", 0, 9), operator("aten::b", 0, 9, ENGINE_TID))
    assert {each.name: each.self_s for each in taken(trace)}[IN_NO_OPERATOR] == 0


def test_what_runs_between_two_steps_is_no_ones() -> None:
    trace = a_trace(step(0, 0, 10), step(1, 20, 10), operator("aten::a", 12, 4))
    assert [each.name for each in taken(trace)] == [IN_NO_OPERATOR]


# --- gaps -----------------------------------------------------------------------------------------------------------


def test_the_host_is_busy_where_operators_run_and_the_device_where_kernels_do() -> None:
    trace = a_trace()
    assert busy_share(trace, HOST) == about(0.36)  # where 20, mul 6, mul 10; autograd's engine itself computes nothing
    assert busy_share(trace, DEVICE) == about(0.4)  # 20–40, 60–65, 70–85 of both streams


@pytest.mark.parametrize(
    ("spans", "share"),
    [
        ([(0, 10)], 0.1),
        ([(0, 10), (20, 10)], 0.2),
        ([(0, 10), (5, 10)], 0.15),  # overlapping
        ([(0, 30), (5, 10)], 0.3),  # one within the other
        ([(0, 30), (5, 10), (20, 20)], 0.4),
        ([(0, 50), (50, 50)], 1.0),
        ([(20, 0)], 0.0),
    ],
)
def test_what_runs_at_once_counts_once(spans: list[tuple[float, float]], share: float) -> None:
    kernels = [kernel(f"k{number}", ts, dur, stream=number) for number, (ts, dur) in enumerate(spans)]
    assert busy_share(a_trace(step(0, 0, 100), *kernels), DEVICE) == about(share)


def test_the_share_is_the_median_of_the_steps() -> None:
    kernels = [kernel("k", 100.0 * number, dur) for number, dur in enumerate((10, 80, 30))]
    steps = [step(number, 100.0 * number, 100) for number in range(3)]
    assert busy_share(a_trace(*steps, *kernels), DEVICE) == about(0.3)


def test_where_nothing_is_traced_there_is_no_share() -> None:
    trace = a_trace(step(0, 0, 100), operator("aten::a", 0, 10))
    assert busy_share(trace, DEVICE) is None
    assert busy_share(a_trace(step(0, 0, 100)), HOST) is None


# --- stacks ---------------------------------------------------------------------------------------------------------


def test_stacks_begin_with_the_region_and_carry_the_time_on_top() -> None:
    engine = ("backward", "autograd engine: MulBackward0")
    relu = ("forward", "mine.py(3): relu")
    found = stacks(a_trace())
    assert dict(found) == {
        (*engine, "MulBackward0"): about(14e-6),
        (*engine, "MulBackward0", "aten::mul"): about(10e-6),
        relu: about(10e-6),
        (*relu, "aten::where", "aten::where"): about(10e-6),
        (*relu, "aten::where"): about(8e-6),
        (*relu, "aten::mul"): about(6e-6),
        engine: about(4e-6),
        (*relu, "aten::where", "aten::empty"): about(2e-6),
    }
    assert [seconds for _, seconds in found] == sorted((seconds for _, seconds in found), reverse=True)


def test_a_stack_is_a_step_s_average() -> None:
    events = [step(0, 0, 50), region("x forward", 0, 40), operator("aten::a", 5, 20)]
    later = [step(1, 100, 50), region("x forward", 100, 40)]
    assert stacks(a_trace(*events, *later)) == [(("forward", "aten::a"), about(10e-6))]


def test_a_backward_in_a_thread_of_its_own_belongs_to_the_region_that_waits_for_it() -> None:
    trace = a_trace(
        step(0, 0, 100),
        region("x forward", 0, 40),
        operator("aten::a", 5, 20),
        operator("aten::b", 30, 15, ENGINE_TID),  # ends behind it
        region("x backward", 50, 40),
        operator("MulBackward0", 55, 30, ENGINE_TID),
        operator("aten::mul", 60, 10, ENGINE_TID),
        operator("aten::c", 90, 5, ENGINE_TID),  # behind the region
    )
    assert stacks(trace) == [
        (("backward", "MulBackward0"), about(20e-6)),
        (("forward", "aten::a"), about(20e-6)),
        (("forward", "aten::b"), about(15e-6)),
        (("backward", "MulBackward0", "aten::mul"), about(10e-6)),
    ]


def test_what_lies_in_no_region_and_what_the_device_does_has_no_stack() -> None:
    trace = a_trace(step(0, 0, 50), operator("aten::a", 0, 5), region("mine", 10, 10), kernel("k", 10, 5))
    assert stacks(trace) == []


def test_the_suites_own_lines_are_no_part_of_a_stack() -> None:
    trace = a_trace(
        step(0, 0, 50),
        region("x forward", 0, 40),
        python("/here/suites/profile.py(93): forward", 1, 38),
        python("mine.py(3): relu", 2, 30),
    )
    assert stacks(trace) == [(("forward", "mine.py(3): relu"), about(30e-6)), (("forward",), about(8e-6))]


# --- what is drawn --------------------------------------------------------------------------------------------------


def test_regions_operators_and_kernels_are_drawn_and_python_is_not() -> None:
    trace = a_trace(*a_step(0, 0), python("<built-in function kernel>", 92, 3))
    drawn = [(span.name, kind_of(span), drawn_depth(span)) for span in trace.spans if is_drawn(span)]
    assert sorted(drawn) == sorted(
        [
            ("relu-where-cpu forward", "region", 0),
            ("aten::where", "host", 1),  # Python's function between them is not drawn
            ("aten::empty", "host", 2),
            ("aten::where", "host", 2),
            ("aten::mul", "host", 1),
            ("relu-where-cpu backward", "region", 0),
            ("autograd engine: MulBackward0", "host", 1),
            ("MulBackward0", "host", 2),
            ("aten::mul", "host", 3),
            ("where_kernel(float*)", "device", 0),
            ("mul_kernel(float*)", "device", 0),
            ("Memcpy DtoD", "device", 0),
            ("mul_kernel(float*)", "device", 0),
            ("generated kernel", "host", 0),
        ]
    )


# --- files ----------------------------------------------------------------------------------------------------------


def as_json(events: object) -> bytes:
    return json.dumps({"schemaVersion": 1, "traceEvents": events}).encode()


def flipped(raw: bytes) -> bytes:
    """Return a compressed file whose first block has a type that there is not."""
    return raw[:10] + bytes([raw[10] | 0b110]) + raw[11:]


@pytest.mark.parametrize(("name", "pack"), [("a.pt.trace.json", bytes), ("a.pt.trace.json.gz", gzip.compress)])
def test_a_file_reads_back_compressed_or_not(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    file = tmp_path / name
    file.write_bytes(pack(as_json(a_step(2, 50))))
    trace = Trace.read(file)
    assert len(trace.steps) == 1
    assert len(trace.spans) == len(a_step(2, 50)) - 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        b'{"traceEvents": null}',
        b'{"traceEvents": 5}',
        as_json(["text"]),
        as_json([{"ph": "X", "cat": "cpu_op", "name": "aten::a", "tid": 1}]),
        as_json([operator("aten::a", 0, 1) | {"ts": "soon"}]),
    ],
)
def test_what_is_no_trace_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    for name, raw in (("a.json", content), ("a.json.gz", gzip.compress(content))):
        file = tmp_path / name
        file.write_bytes(raw)
        with pytest.raises(ValueError, match=rf"{file}: not a profiler's trace: "):
            Trace.read(file)


COMPRESSED = gzip.compress(as_json(a_step(2, 0)))


@pytest.mark.parametrize(
    "raw", [COMPRESSED[:-9], COMPRESSED[:5], flipped(COMPRESSED), as_json(a_step(2, 0))], ids=range(4)
)
def test_what_is_not_whole_is_refused_by_name(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "a.json.gz"
    file.write_bytes(raw)
    with pytest.raises(ValueError, match=rf"{file}: not a profiler's trace: "):
        Trace.read(file)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere\.json: not a profiler's trace: .*No such file"):
        Trace.read(tmp_path / "nowhere.json")


@pytest.mark.parametrize("events", [[], [operator("aten::a", 0, 1)], [operator("ProfilerStep#1", 0, 1)]])
def test_a_trace_without_a_step_is_refused_by_name(tmp_path: Path, events: list[Event]) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(as_json(events))
    with pytest.raises(ValueError, match=rf"{file}: no step of the profiler in it"):
        Trace.read(file)
