from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.records import Profile, Record, Verdict
from gradgauge.report import summary_lines, write_report
from gradgauge.report.data import RunData
from gradgauge.report.frames import Frame, frames_of, laid_out, top_stacks
from gradgauge.report.profiled import Profiled, Taker, scenes_of, top_and_rest
from gradgauge.report.sections.profile import render
from gradgauge.report.timeline import MOST_LANES, timeline_of
from gradgauge.runs import RunFolder
from gradgauge.traces import IN_NO_OPERATOR
from tests.report.page import Page, read, section
from tests.report.synthetic import write_run
from tests.report.synthetic_profile import GPU, STEP_S, USER, case_of, figure, profile, records, span, write_profiled

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def html_of(folder: RunFolder) -> str:
    return write_report(folder).read_text(encoding="utf-8")


def shown(html: str) -> str:
    return section(html, "profile")


@pytest.fixture(scope="module")
def cpu_html(tmp_path_factory: pytest.TempPathFactory) -> str:
    return html_of(write_profiled(tmp_path_factory.mktemp("cpu")))


@pytest.fixture(scope="module")
def gpu_html(tmp_path_factory: pytest.TempPathFactory) -> str:
    return html_of(write_profiled(tmp_path_factory.mktemp("gpu"), GPU))


def test_a_run_without_a_profile_has_no_such_section(standard_run: RunFolder, standard_html: str) -> None:
    assert render(RunData.load(standard_run)) is None
    assert "profile" not in read(standard_html).sections


def test_it_says_first_that_it_is_no_timing(cpu_html: str) -> None:
    assert shown(cpu_html).startswith("Where the time goes No timing: what follows was seen under the profiler")


def test_what_takes_most_and_the_gaps_stand_in_one_table(cpu_html: str) -> None:
    text = shown(cpu_html)
    assert "where · eager 10.0 ms aten::where 50 %, aten::mul 20 % 10 %" in text
    assert "In each technique, for 10 % of its step no operator runs" in text
    assert "idle" not in text


def test_an_accelerator_s_gaps_are_its_own(gpu_html: str) -> None:
    text = shown(gpu_html)
    assert "In each technique, for 75 % of its step the device is idle." in text
    assert "For 10 % of the step no operator runs on the host. For 75 % of it the device is idle." in text
    assert "where · eager 10.0 ms aten::where 50 %, aten::mul 20 % 10 % 75 %" in text
    assert "On cuda:0, without what each calls: mean of 3 steps" in text
    assert "where_kernel 4.00 ms 40 % 3" in text
    assert gpu_html.count(">device</text>") == 4


def test_the_gaps_name_the_least_and_the_most(parent: Path) -> None:
    found = [
        replace(record, value=busy) if record.metric == "profiled_busy" else record
        for technique, busy in (("where/eager", 0.95), ("where/compiled", 0.4))
        for record in records(case_of(technique))
    ]
    text = shown(html_of(write_run(parent, found, [])))
    assert "In where · compiled, for 60 % of its step no operator runs" in text
    assert "in where · eager, for 5 %." in text


def test_the_operators_that_take_least_are_summed_and_python_is_a_row_of_its_own(cpu_html: str) -> None:
    text = shown(cpu_html)
    assert "aten::where 5.00 ms 50 % 2" in text
    assert f"{IN_NO_OPERATOR} 600 µs 6 % —" in text
    # Of twelve small ones five are named; seven and what the engine calls others are left.
    assert "the rest 900 µs 9 % 16" in text
    assert "aten::small_5" not in text


def test_shares_are_of_the_mean_step_so_that_they_come_to_one(parent: Path) -> None:
    # The median of the steps is a fifth of their mean: one of three was disturbed.
    found = [
        replace(record, value=0.002) if record.metric == "profiled_step" else record
        for record in records(case_of("where/eager"))
    ]
    text = shown(html_of(write_run(parent, found, [])))
    assert "where · eager 2.00 ms aten::where 50 %" in text


def test_the_rest_of_nothing_is_no_row() -> None:
    takers = [Taker("aten::mul", 0.5, 1.0), Taker(IN_NO_OPERATOR, 0.1, None)]
    assert top_and_rest(takers, 8) == (takers, None)
    top, rest = top_and_rest([*takers, Taker("others", 0.05, 7.0)], 8)
    assert (top, rest) == (takers, Taker("the rest", 0.05, 7.0))


def test_python_in_no_operator_is_told_however_little_it_takes() -> None:
    takers = [*(Taker(f"aten::{name}", 1.0, 1.0) for name in "abc"), Taker(IN_NO_OPERATOR, 0.1, None)]
    top, rest = top_and_rest(takers, 1)
    assert [taker.name for taker in top] == ["aten::a", IN_NO_OPERATOR]
    assert rest == Taker("the rest", 2.0, 2.0)


def test_every_technique_has_a_timeline_and_a_flame_graph_with_words(cpu_html: str) -> None:
    drawings = [attributes for tag, attributes in read(cpu_html).elements if tag == "svg"]
    labels = [str(attributes["aria-label"]) for attributes in drawings if "aria-label" in attributes]
    steps = [label for label in labels if label.startswith("A step of relu, ")]
    flames = [label for label in labels if label.startswith("Flame graph of relu, ")]
    # The short one is drawn once more, on an axis of its own.
    assert len(steps) == 4
    assert len(flames) == 3
    assert "forward from 100 µs for 3.50 ms, backward from 4.00 ms for 5.50 ms, aten::where 2.50 ms" in steps[0]
    assert "forward > where.py:11 relu > aten::where: 2.50 ms" in flames[0]


def test_a_pointer_finds_what_a_block_is(cpu_html: str) -> None:
    assert "<title>aten::mul, 2.00 ms, from 5.00 ms</title>" in cpu_html
    assert f"<title>{USER}: 2.50 ms, 47 %</title>" in cpu_html


def test_the_trace_is_linked_to_within_the_run_folder(cpu_html: str) -> None:
    links = [attributes["href"] for tag, attributes in read(cpu_html).elements if tag == "a"]
    traces = [str(link) for link in links if not str(link).startswith("#")]
    assert len(traces) == 3
    assert all(link.startswith(("traces/relu-where-", "traces/relu-reference-")) for link in traces)
    assert "Perfetto" in shown(cpu_html)


def test_a_trace_elsewhere_is_named_but_not_linked_to(parent: Path) -> None:
    measured = case_of("where/eager")
    folder = write_run(parent, records(measured), [])
    folder.append_profile(profile(measured, trace="javascript:alert(document.domain)"))
    page = read(html_of(folder))
    assert not [link for tag, link in page.elements if tag == "a" and "alert" in str(link["href"])]
    assert "javascript:alert(document.domain)" in page.sections["profile"]


def test_a_script_in_an_operator_s_name_comes_out_inert(parent: Path) -> None:
    measured = case_of("where/eager")
    named = figure(measured, "profiled_time", 0.5, "s", operator=NASTY, on="host")
    folder = write_run(parent, [*records(measured), named], [])
    plain = profile(measured)
    spans = tuple(replace(each, name=NASTY) for each in plain.spans)
    stacks = tuple(((NASTY, f"a/b.py(1): {NASTY}"), seconds) for _, seconds in plain.stacks)
    folder.append_profile(replace(plain, spans=spans, stacks=stacks, trace=f"traces/{NASTY}"))
    page: Page = read(html_of(folder))
    assert page.unbalanced == page.open_tags == []
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert NASTY in page.sections["profile"]


def test_characters_that_no_page_can_hold_do_not_stop_it(parent: Path) -> None:
    measured = case_of("where/eager")
    folder = write_run(parent, records(measured), [])
    folder.append_profile(profile(measured))
    odd = folder.profiles_jsonl.read_text().replace("aten::mul", "a\\u0000b\\u001b\\ud800\\ue000漢")
    folder.profiles_jsonl.write_text(odd)
    assert "a�b���漢" in html_of(folder)


def test_what_could_not_be_profiled_is_marked(parent: Path) -> None:
    crashed = Record("profile", case_of("where/eager"), "profiled_step", None, "s", Verdict.CRASHED, "killed")
    text = shown(html_of(write_run(parent, [crashed], [])))
    assert "where · eager ✗ crashed killed —" in text


def test_a_profile_without_records_and_records_without_a_profile_are_both_shown(parent: Path) -> None:
    folder = write_run(parent, records(case_of("where/eager")), [], catalog={})
    folder.append_profile(profile(case_of("unheard_of/eager")))
    text = shown(html_of(folder))
    assert "unheard_of · eager 10.0 ms — —" in text
    assert "where · eager 10.0 ms" in text


@pytest.mark.parametrize("step_s", [0.0, -1.0, 1e300, 1e-300])
def test_a_step_of_no_sensible_length_does_not_stop_it(parent: Path, step_s: float) -> None:
    measured = case_of("where/eager")
    folder = write_run(parent, records(measured), [])
    folder.append_profile(replace(profile(measured), step_s=step_s))
    assert "aten::where" in shown(html_of(folder))


def test_two_places_and_shapes_are_never_compared(parent: Path) -> None:
    small = replace(case_of("where/eager"), shape="64x64")
    found = [*records(case_of("where/eager")), *records(small), *records(case_of("where/eager", GPU))]
    scenes = scenes_of(RunData.load(write_run(parent, found, [])))
    assert [scene.title for scene in scenes] == [
        "cpu · float32 · 1024x1024",
        "cpu · float32 · 64x64",
        "cuda:0 · float32 · 1024x1024",
    ]


def test_a_run_that_only_profiled_says_so(parent: Path) -> None:
    folder = write_profiled(parent)
    said = "No function was timed, so nothing is said about speed. For what it holds, see “Where the time goes”."
    assert summary_lines(folder)[1:] == [said]
    page = read(html_of(folder))
    assert said in page.sections["summary"]
    assert "No check of gradients judged any technique in this run." in page.sections["summary"]
    assert "fastest" not in page.sections["summary"]
    assert "other" not in page.sections
    assert "Nothing was measured" not in page.sections[""]


def test_thousands_of_spans_and_stacks_do_not_blow_up_the_page(parent: Path) -> None:
    measured = case_of("where/eager")
    plain = profile(measured)
    length_s = STEP_S / 4000
    many = tuple(
        span(f"aten::op_{index}", "host", 1, 1 + index % 4, index * length_s, length_s) for index in range(4000)
    )
    stacks = tuple((("forward", USER, f"aten::op_{index}"), length_s) for index in range(4000))
    folder = write_run(parent, records(measured), [])
    before = len(html_of(folder))
    folder.append_profile(replace(plain, spans=(*plain.spans, *many), stacks=stacks))
    assert len(html_of(folder)) - before < 250_000


def drawn(*spans: tuple[str, int, int, float, float]) -> Profile:
    regions = (span("forward", "region", 1, 0, 0.0, 5.0), span("backward", "region", 1, 0, 5.0, 5.0))
    host = tuple(span(name, "host", track, depth, start, length) for name, track, depth, start, length in spans)
    return Profile(case_of("where/eager"), "t", 10.0, (*regions, *host), ())


def lanes(found: Profile, least_s: float = 0.1) -> list[tuple[str, int]]:
    return [(block.name, block.lane) for block in timeline_of(found, least_s).host]


def test_lanes_follow_depth_below_the_regions() -> None:
    found = drawn(("aten::to", 1, 1, 1.0, 3.0), ("aten::copy_", 1, 2, 1.5, 2.0), ("aten::mul", 1, 1, 4.0, 1.0))
    assert lanes(found) == [("aten::to", 0), ("aten::copy_", 1), ("aten::mul", 0)]
    assert [region.name for region in timeline_of(found, 0.1).regions] == ["forward", "backward"]


def test_another_thread_s_outermost_spans_stand_in_the_first_lane_too() -> None:
    found = drawn(("autograd engine: A", 2, 0, 6.0, 3.0), ("aten::mul", 2, 1, 7.0, 1.0))
    assert lanes(found) == [("autograd engine: A", 0), ("aten::mul", 1)]


def test_what_runs_at_the_same_time_never_stands_on_one_another() -> None:
    found = drawn(("aten::a", 1, 1, 1.0, 3.0), ("aten::b", 2, 0, 2.0, 3.0), ("aten::c", 1, 2, 2.5, 1.0))
    assert lanes(found) == [("aten::a", 0), ("aten::b", 1), ("aten::c", 2)]


def test_what_is_deeper_than_the_lanes_is_left_out() -> None:
    found = drawn(*((f"aten::{depth}", 1, depth, 1.0, 3.0 - depth / 10) for depth in range(1, 9)))
    assert [lane for _, lane in lanes(found)] == list(range(MOST_LANES))


def test_neighbours_too_short_to_see_are_one_block_and_a_single_one_none() -> None:
    short = [("aten::mul", 1, 1, 1.0 + index / 100, 0.009) for index in range(30)]
    blocks = timeline_of(drawn(*short, ("aten::add", 1, 1, 3.0, 0.001)), 0.1).host
    (run,) = blocks
    assert (run.name, run.count, run.works) == ("", 30, True)
    assert math.isclose(run.end_s, 1.299)


def test_an_operator_works_and_what_calls_it_does_not() -> None:
    found = drawn(
        ("autograd engine: A", 1, 1, 6.0, 3.0), ("generated kernel", 1, 2, 7.0, 1.0), ("mine::op", 1, 2, 8.0, 0.5)
    )
    assert [block.works for block in timeline_of(found, 0.1).host] == [False, True, True]


def flamed(*stacks: tuple[tuple[str, ...], float]) -> Frame:
    return frames_of(replace(profile(case_of("where/eager")), stacks=stacks))


def test_stacks_merge_into_frames_and_pytorch_s_own_python_is_left_out() -> None:
    root = flamed(
        (("forward", USER, "aten::where"), 2.0),
        (("forward", USER, "<built-in method mul of Tensor>", "aten::mul"), 1.0),
        (("forward", USER, "torch/_tensor.py(3): f"), 0.5),
        (("backward", "/usr/lib/python3/site-packages/torch/autograd/graph.py(1): g"), 0.25),
        (("backward", "torchinductor_root/4b/c4.py(82): call", "generated kernel"), 0.75),
    )
    assert root.seconds == 4.5
    assert {name: frame.seconds for name, frame in root.called.items()} == {"forward": 3.5, "backward": 1.0}
    user = root.called["forward"].called[USER]
    assert (user.seconds, user.label, user.kind) == (3.5, "where.py:11 relu", "python")
    assert {name: frame.kind for name, frame in user.called.items()} == {"aten::where": "work", "aten::mul": "work"}
    assert root.called["backward"].called.keys() == {"generated kernel"}


def test_a_user_s_own_torch_is_not_pytorch_s() -> None:
    root = flamed((("forward", "/home/me/my_torch/ops.py(3): f"), 1.0), (("forward", "mine/torch.py(1): g"), 1.0))
    assert [frame.label for frame in root.called["forward"].called.values()] == ["ops.py:3 f", "torch.py:1 g"]


def test_frames_lie_below_their_caller_forward_first_then_the_longest() -> None:
    root = flamed((("backward", "b"), 5.0), (("forward", "x"), 1.0), (("forward", "y"), 2.0), (("forward", "z"), 0.01))
    laid = {each.frame.name: (each.level, each.start_s) for each in laid_out(root, 0.1)}
    assert laid == {"forward": (0, 0.0), "y": (1, 0.0), "x": (1, 2.0), "backward": (0, 3.01), "b": (1, 3.01)}


def test_a_stack_without_end_and_seconds_below_zero_do_no_harm() -> None:
    root = flamed((tuple(f"f{index}" for index in range(100_000)), 1.0), (("forward",), -3.0))
    assert root.seconds == 1.0
    assert len(list(laid_out(root, 0.0))) < 20


def test_the_top_stacks_in_words() -> None:
    found = replace(
        profile(case_of("where/eager")), stacks=((("forward", USER, "torch/x.py(1): f"), 1.0), (("forward", USER), 2.0))
    )
    assert top_stacks(found, 3) == [("forward > where.py:11 relu", 3.0)]


def test_of_nothing_there_is_no_share() -> None:
    assert Profiled(case_of("where/eager")).share(1.0) == "—"
    assert Profiled(case_of("where/eager")).most == ""
