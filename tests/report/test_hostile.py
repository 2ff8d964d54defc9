"""A run folder from a stranger: whatever stands in it is shown as text, and nothing of it is done."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from gradgauge.cases import Case
from gradgauge.gate.findings import GATE_JSON, Outcome
from gradgauge.records import Drawn, Profile, Record, Series, Verdict
from gradgauge.report import summary_lines, write_report
from gradgauge.runs import RunFolder, UnreadableRun
from tests import gates
from tests.browsers import chromium, needs_browser
from tests.report import synthetic
from tests.report.page import Page, read, without_scripts
from tests.report.synthetic import write_run

PWNED = "window.pwned=1"
NASTY = (
    f"<script>{PWNED}</script>",
    f"\"'><img src=x onerror={PWNED}>",
    f"</script><script>{PWNED}</script>",
    f"</style></title></textarea><script>{PWNED}</script>",
    "<!--<script>",
    "--></svg>]]>",
    f"<svg onload={PWNED}>",
    "<base href=//evil.example/><meta http-equiv=refresh content=0;url=//evil.example>",
    "<iframe src=//evil.example></iframe><link rel=stylesheet href=//evil.example>",
    "<a href=https://evil.example>a</a> https://evil.example/",
    f"javascript:{PWNED}",
    f"data:text/html,<script>{PWNED}</script>",
    "file:///etc/passwd",
    "../../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows\\system.ini",
    "\\\\evil.example\\share",
    f"{{{{ 7*7 }}}}{{% include 'x' %}}{{# {PWNED} #}}",
    "$\\frac{1}{0$ \\input{/etc/passwd}",
    "url(https://evil.example/x) expression(alert(1)) ;} body{display:none",
    "&lt;script&gt;&#x3c;script&#x3e;&amp;",
    f"${{{PWNED}}}`${{{PWNED}}}`",
    "%3Cscript%3E%22%27",
    "rel\u202eeval\u2066x\u2069",
    "tail\u2028\u2029end",
    "\ue000-1 \ue000",
    "a\x00b\x1b[31mc\x07\r",
    "half \ud800 a pair",
    "two\nlines\tand a tab",
    "x" * 3000,
)
SLOT = re.compile(r"plain(\d+)x")


class Slots:
    """Harmless words, each another one, in the places where a stranger may write what he likes."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"plain{self.count}x"


def write_plain(parent: Path) -> tuple[RunFolder, int]:
    """Write a run in which every free text is a slot; return it with the number of slots."""
    slot = Slots()
    function, name, other, device = slot(), slot(), slot(), slot()
    measured = Case(function, name, "eager", "forward_backward", device, "float32", "4x4")
    odd = Case(function, name, slot(), slot(), slot(), slot(), slot(), slot())
    metric, suite = slot(), slot()
    entry = synthetic.implementation(
        name,
        summary=slot(),
        convention={slot(): 0.0},
        expected_fail={"gradient_max_ulp": slot(), slot(): slot()},
        requires=[slot()],
        origin=slot(),
        modes={"eager": {"available": True, "reason": ""}, "compiled": {"available": False, "reason": slot()}},
    )
    described = synthetic.function("relu", slot(), slot(), implementations={name: entry, other: entry})
    kinks = [{"name": slot(), "point": 0.0, "slopes": [0.0, 1.0]}]
    described |= {"summary": slot(), "source": slot(), "inputs": [slot(), slot()], "kinks": kinks, "origin": slot()}
    changes: dict[str, Any] = {
        "run_id": slot(),
        "command": [slot(), slot()],
        **{key: slot() for key in ("preset", "seed", "start", "end")},
        "selection": {slot(): [slot()]},
        "metrics": synthetic.METRICS | {metric: synthetic.metric(slot(), None, slot())},
        "suites": {"speed": slot(), suite: slot()},
        "catalog": {"functions": {function: described}, "broken": [{"file": slot(), "line": 1, "message": slot()}]},
        "environment": {
            "machine": {"cpu_model": slot(), slot(): slot()},
            "accelerators": [{"device": device, "name": slot()}],
            "packages": {slot(): slot()},
            "git": {"commit": slot(), "dirty": False},
            slot(): [slot(), {slot(): slot()}],
        },
        "planned": [{"suite": slot(), **odd.to_json()}],
        "left_out": [{"what": slot(), "reason": slot()}],
        "phases_s": {slot(): 1.0},
        "timing": {"precision": 0.02, "caches": [slot()], "protocols": [slot()], "cuda_graph": False},
        "spent_s": {slot(): {slot(): 1.0}},
    }
    folder = write_run(parent, list(records(measured, odd, suite, metric, slot)), curves(measured, slot), **changes)
    names = [slot() for _ in range(4)]
    spans = tuple(Drawn(each, kind, 1, 0, 0.0, 1e-3) for each, kind in zip(names, ("host", "device"), strict=False))
    stacks = ((("forward", *names), 1e-3), ((f"{slot()}.py(3): {slot()}",), 2e-3))
    folder.append_profile(Profile(measured, slot(), 1e-3, spans, stacks))
    replace(
        gates.red(),
        baseline=replace(gates.BASELINE, name=slot(), commit=slot()),
        candidate=replace(gates.CANDIDATE, kind=slot(), name=slot()),
        notes=(slot(),),
        seconds={slot(): 1.0},
        findings=(
            replace(gates.timed(Outcome.REGRESSION, 1.2, odd), detail=slot(), accepted=slot()),
            replace(gates.exact(Outcome.WORSE, slot(), slot(), slot(), slot()), labels={slot(): slot()}, suite=slot()),
            gates.implementation(Outcome.CANDIDATE_FAILS, slot(), slot()),
            gates.session(Outcome.CANNOT_TELL, slot()),
        ),
    ).write(folder.path / GATE_JSON)
    return folder, slot.count


def records(measured: Case, odd: Case, suite: str, metric: str, slot: Slots) -> Iterator[Record]:
    """Yield records of every suite that has a section, each text of theirs a slot."""
    for shape in ("4x4", "8x8"):
        for pass_ in ("forward", "forward_backward"):
            here = replace(measured, shape=shape, pass_=pass_)
            yield replace(synthetic.timed(here, 1e-3, detail=slot()), labels={"cache": slot()})
            yield synthetic.timed(here, 1e-3, detail=slot())
            yield synthetic.speedup(here, 2.0, 1.9, 2.1)
    profiled = {"operator": slot(), "on": "host"}
    for one, name, labels in (
        ("memory", "saved_bytes", {}),
        ("memory", "peak_bytes", {}),
        ("memory", "saved_extra_bytes", {}),
        ("memory", "kept_bytes", {"role": "input", "storage": "1", "tensor": slot()}),
        ("memory", "kept_bytes", {"role": slot(), "storage": slot(), "tensor": slot()}),
        ("counters", "operators", {}),
        ("counters", "graph_break", {"at": slot()}),
        ("behavior", "vmap", {}),
        ("machine", slot(), {slot(): slot()}),
        ("training", "training_loss", {"role": slot(), "seed": slot()}),
        ("training", "training_piece_share", {"role": slot(), "seed": slot(), "piece": slot()}),
        ("profile", "profiled_step", {}),
        ("profile", "profiled_time", profiled),
        ("profile", "profiled_calls", profiled),
        ("gradients", "atlas_value", {"at": slot(), "along": slot()}),
        ("gradients", "atlas_gradient", {"at": slot(), "along": slot()}),
        (suite, metric, {slot(): slot()}),
    ):
        yield Record(one, measured, name, 1.0, slot(), Verdict.MEASURED, slot(), labels=labels)
    for verdict in Verdict:
        yield replace(
            synthetic.agreement(measured, "gradient_max_ulp", 9.0, verdict, input=slot(), kind=slot()), detail=slot()
        )
        yield replace(synthetic.agreement(odd, "kink_slope", None, verdict, kink=slot()), detail=slot(), unit=slot())
    yield Record("speed", replace(odd, mode="eager"), "availability", None, "", Verdict.UNAVAILABLE, slot())


def curves(measured: Case, slot: Slots) -> list[Series]:
    """Return curves of everything that is drawn, and one of something unheard of."""
    xs = (0.0, 1.0, 2.0)
    named = [f"{what}{suffix}" for what in ("value", "gradient") for suffix in ("", "_error", "_budget")]
    control = replace(measured, function="", implementation="", mode="", pass_="")
    losses = Series(measured, f"training_loss/{slot()}/{slot()}", xs, xs, slot(), slot())
    drift = Series(control, "control", xs, (1e-3, 1e-3, 2e-3), slot(), slot())
    return [*(Series(measured, name, xs, xs, slot(), slot()) for name in (*named, slot())), losses, drift]


def made_hostile(folder: RunFolder, turn: int) -> None:
    """Write something nasty into every slot; `turn` says which into the first."""

    def nasty(found: re.Match[str]) -> str:
        number = int(found[1])
        return json.dumps(f"{NASTY[(number + turn) % len(NASTY)]}{number}")[1:-1]

    for name in ("run.json", "records.jsonl", "series.jsonl", "profiles.jsonl", GATE_JSON):
        file = folder.path / name
        file.write_text(SLOT.sub(nasty, file.read_text(encoding="utf-8")), encoding="utf-8")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder, _ = write_plain(tmp_path_factory.mktemp("plain"))
    return read(write_report(folder).read_text(encoding="utf-8"))


TURNS = range(0, len(NASTY), 5)


@pytest.fixture(scope="module", params=TURNS)
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a run whose every text is nasty, each in another place from turn to turn."""
    folder, _ = write_plain(tmp_path_factory.mktemp("hostile"))
    made_hostile(folder, request.param)
    return write_report(folder)


# What the page's filter goes by, and where a drawing has a text of several lines: words decide, whatever they say.
BY_WORDS = {"data-function", "data-device", "data-dtype", "data-mode", "transform", "x", "y"}


def shape_of(page: Page) -> set[tuple[str, frozenset[str]]]:
    """Return which elements a page has, with the names of their attributes; how many there are is no matter."""
    return {(tag, frozenset(attributes.keys() - BY_WORDS)) for tag, attributes in page.elements}


def test_there_is_a_slot_for_every_nasty_text_several_times(tmp_path: Path) -> None:
    _, count = write_plain(tmp_path)
    assert count > 4 * len(NASTY)


def test_the_page_is_made_of_the_same_elements_as_a_harmless_one(hostile: Path, plain: Page) -> None:
    page = read(hostile.read_text(encoding="utf-8"))
    assert page.unbalanced == page.open_tags == []
    sections = [{attributes["id"] for tag, attributes in each.elements if tag == "section"} for each in (page, plain)]
    assert sections[0] == sections[1]
    assert shape_of(page) <= shape_of(plain)  # no code is written of a function that no file can have


def test_nothing_leads_out_of_the_page_and_no_style_is_anybody_else_s(hostile: Path, plain: Page) -> None:
    html = hostile.read_text(encoding="utf-8")
    own = {name for _, attributes in plain.elements for name in attributes} | BY_WORDS
    for tag, attributes in read(html).elements:
        assert attributes.keys() <= own
        assert (
            tag not in ("img", "iframe", "object", "embed", "base", "link", "form") or attributes.get("id") == "filters"
        )
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("src", "srcset", "data", "action", "formaction", "ping")
            if name in ("href", "xlink:href"):
                assert str(value).startswith("#"), value
            if name in ("style", "fill", "stroke", "clip-path", "class", "http-equiv", "id"):
                assert "evil" not in str(value), value
                assert "pwned" not in str(value), value
    assert "expression(" not in "".join(re.findall(r"<style>.*?</style>", html, re.DOTALL))


def test_no_character_is_left_that_reads_as_another_or_is_none(hostile: Path) -> None:
    html = without_scripts(hostile.read_text(encoding="utf-8"))
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ue000]", html) is None
    assert "rel\ufffdeval\ufffdx\ufffd" in html


def test_nothing_that_is_written_like_a_template_or_a_formula_is_taken_for_one(hostile: Path) -> None:
    page = read(hostile.read_text(encoding="utf-8"))
    text = "".join(page.sections.values())
    for literal in ("{{ 7*7 }}{% include 'x' %}", "$\\frac{1}{0$ \\input{/etc/passwd}", "&lt;script&gt;&#x3c;script"):
        assert literal in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.slow
@needs_browser
def test_a_browser_does_nothing_that_a_stranger_asks_for(hostile: Path, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda request: complaints.append(request.url) if request.url != hostile.as_uri() else None)
    page.goto(hostile.as_uri())
    page.wait_for_selector("html[data-ready]")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_selector("#explorer tbody tr td")
    for name in ("function", "device", "dtype", "mode"):
        select = page.locator(f"form#filters select[name={name}]")
        if select.count():
            select.select_option(index=1)
            assert page.evaluate("new URLSearchParams(location.hash.split('?')[1]).size") == 1
            select.select_option(index=0)
    for value in page.locator("#explorer tbody tr").first.locator("td").all_inner_texts():
        assert "\u202e" not in value
    page.wait_for_timeout(200)
    assert page.evaluate("window.pwned") is None
    assert complaints == []
    page.close()


def test_the_terminal_is_sent_no_command(tmp_path: Path) -> None:
    for turn in TURNS:
        folder, _ = write_plain(tmp_path / str(turn))
        made_hostile(folder, turn)
        lines = summary_lines(folder)
        assert lines
        assert not any(re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", line) for line in lines)


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run.json", "records.jsonl", "series.jsonl", "profiles.jsonl", GATE_JSON])
def test_no_file_is_read_that_lies_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    folder, _ = write_plain(tmp_path / "runs")
    file = folder.path / name
    file.rename(tmp_path / "secret")
    file.symlink_to("../../secret")
    with pytest.raises(UnreadableRun, match=f"{name}: a link out of its folder"):
        write_report(RunFolder.open(folder.path))


def test_a_link_to_a_run_and_within_one_are_followed(tmp_path: Path) -> None:
    folder, _ = write_plain(tmp_path / "runs")
    folder.records_jsonl.rename(folder.path / "moved.jsonl")
    folder.records_jsonl.symlink_to("moved.jsonl")
    (tmp_path / "latest").symlink_to(folder.path)
    assert write_report(RunFolder.open(tmp_path / "latest")) == folder.report_html


@pytest.mark.parametrize("name", ["report.html", "report.html.tmp"])
def test_no_file_is_written_through_a_link(tmp_path: Path, name: str) -> None:
    folder, _ = write_plain(tmp_path / "runs")
    precious = tmp_path / "precious"
    precious.write_text("as it was", encoding="utf-8")
    (folder.path / name).symlink_to(precious)
    write_report(folder)
    assert precious.read_text(encoding="utf-8") == "as it was"
    assert not folder.report_html.is_symlink()


def test_nothing_that_reads_a_run_can_run_it() -> None:
    """Neither unpickling nor evaluating: what a run holds is JSON, and stays values."""
    package = Path(write_report.__code__.co_filename).parent
    sources = [*package.rglob("*.py"), package.parent / "runs.py", package.parent / "strict_json.py"]
    forbidden = re.compile(r"\b(pickle|marshal|shelve|yaml|joblib|eval\(|exec\(|compile\(|__import__|read_pickle)")
    allowed = {"re.compile("}
    for source in sources:
        text = source.read_text(encoding="utf-8")
        for known in allowed:
            text = text.replace(known, "")
        found: Any = forbidden.search(text)
        assert found is None, (source, found)
