from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gradgauge.records import Record, Series, Verdict
from gradgauge.report import document, write_report
from gradgauge.report.discovery import discover
from gradgauge.runs import RunFolder
from tests.report import synthetic
from tests.report.page import Page, read, without_scripts
from tests.report.synthetic import agreement, case, write_run


@pytest.fixture(scope="module")
def page(standard_html: str) -> Page:
    return read(standard_html)


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.unbalanced == []
    assert page.open_tags == []


def test_the_sections_stand_under_their_questions(page: Page) -> None:
    ids = [attributes["id"] for tag, attributes in page.elements if tag == "section"]
    assert ids == [
        *("wrong", "failures"),  # first, as something is
        *("use", "summary"),
        *("speed", "times"),
        *("cost", "memory"),
        *("gradient", "functions", "gradients"),
        "spent",
        *("trust", "not_run", "environment", "records"),
    ]
    assert [section.name for section in discover()] == [
        *("summary", "failures", "gate", "functions", "times", "profile", "memory", "counters", "gradients", "atlas"),
        *("behavior", "machine", "training", "other", "not_run", "environment", "records"),
    ]


def test_a_question_without_an_answer_says_what_would_answer_it(page: Page) -> None:
    assert "gradgauge profile traces forward and backward" in page.sections["spent"]


def test_what_is_wrong_comes_second_where_nothing_is(parent: Path) -> None:
    folder = write_run(parent, list(synthetic.memory_records(("256x256",))), [], left_out=[])
    page = read(write_report(folder).read_text(encoding="utf-8"))
    ids = [attributes["id"] for tag, attributes in page.elements if tag == "section"]
    assert [name for name in ids if name in ("use", "wrong")] == ["use", "wrong"]
    assert "Nothing failed in" in page.sections["wrong"]


def test_every_drawing_has_a_text_alternative(page: Page) -> None:
    drawings = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(drawings) > 30
    for attributes in drawings:
        if attributes.get("aria-hidden") != "true":
            assert attributes["role"] == "img"
            assert len(attributes["aria-label"] or "") > 20


def test_nothing_is_fetched(page: Page, standard_html: str) -> None:
    policy = [attributes["content"] for tag, attributes in page.elements if "http-equiv" in attributes]
    assert len(policy) == 1
    assert "default-src 'none'" in str(policy[0])
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "img", "base")
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href", "data", "action"):
                assert str(value).startswith("#")
    assert re.search(r"@import|url\((?!#)|https?://", without_scripts(standard_html)) is None


def test_no_script_but_the_page_s_own_may_run(standard_html: str) -> None:
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', standard_html)
    allowed = set(re.findall(r"'sha256-([^']+)'", policy[0]))
    scripts = re.findall(r"<script>(.*?)</script>", standard_html, re.DOTALL)
    found = {base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts}
    assert len(scripts) == 3
    assert allowed == found
    assert "unsafe" not in policy[0].replace("style-src 'unsafe-inline'", "")


def test_ids_are_unique_and_every_reference_finds_its_own(page: Page, standard_html: str) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    referred = set(re.findall(r'(?:href="|url\()#([^")]+)', standard_html))
    assert referred
    assert referred <= set(ids)
    assert "\ue000" not in standard_html


def test_drawings_take_the_page_s_colours(standard_html: str) -> None:
    drawings = "".join(re.findall(r"<svg role.*?</svg>", standard_html, re.DOTALL))
    assert "currentColor" in drawings
    assert "var(--hue-" in drawings
    left = set(re.findall(r"#[0-9a-f]{6}\b", drawings))
    assert left == set(), "a colour that the dark page cannot change"


def test_a_technique_has_one_colour_in_every_figure(standard_run: RunFolder) -> None:
    from gradgauge.report.data import RunData
    from gradgauge.report.figures.style import looks

    found = looks(RunData.load(standard_run))
    assert len({look.variable for look in found.values()}) == len(found) == 6
    assert found["reference"].variable == "--neutral"


def test_the_report_stays_small(standard_html: str) -> None:
    assert len(standard_html.encode()) < 3_000_000


def test_the_wrong_derivative_is_said_in_words(standard_html: str) -> None:
    assert "f′ is visibly wrong for −11.65 ≤ x ≤ −5.05" in standard_html
    assert re.search(r"f′ is not finite for −1.01e4 ≤ x ≤ −95.32 and 95.32 ≤ x ≤ 1.01e4", standard_html)
    assert standard_html.count("not finite</text>") == 2


def test_what_the_standard_run_must_tell(page: Page) -> None:
    assert "saved_inputs · compiled" in page.sections["summary"]
    assert synthetic.REASON in page.sections["summary"]
    assert "killed by signal 11 during the second round" in page.sections["failures"]
    assert "triton is not installed" in page.sections["not_run"]
    assert "the budget of 5 minutes was spent" in page.sections["not_run"]
    assert "8 graph breaks; backward ran eagerly" in page.sections["times"]
    assert "2.57× (2.49–2.64)" in page.sections["times"]
    assert "64.0 MiB" in page.sections["memory"]
    assert "4 B / element" in page.sections["memory"]
    assert "△\xa01.68 × 10⁷" in page.sections["gradients"]
    assert "Slope taken" in page.sections["gradients"]
    assert "Example EPYC 7B13" in page.sections["environment"]
    assert "Bytes that the graph keeps for backward." in page.sections["environment"]


NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}$\\frac{1}{0"


def nasty_records() -> list[Record]:
    cases = [case(NASTY, f"{NASTY.replace('/', '')}/eager", "forward_backward", shape) for shape in ("4x4", "8x8")]
    return [
        *(synthetic.timed(item, 1e-3) for item in cases),
        *(synthetic.speedup(item, 2.0, 1.9, 2.1) for item in cases),
        agreement(cases[0], "gradient_max_ulp", 9.0, Verdict.FAIL, input=NASTY),
        Record("memory", cases[0], "saved_bytes", 64, "byte", Verdict.MEASURED, NASTY),
        Record(NASTY, cases[0], NASTY, 1.0, NASTY, Verdict.MEASURED, NASTY),
    ]


def test_a_script_in_any_name_comes_out_inert(parent: Path) -> None:
    entry = synthetic.implementation(NASTY, convention={NASTY: 0.0}, origin=NASTY, summary=NASTY)
    function = synthetic.function("relu", NASTY, NASTY, source=NASTY, implementations={NASTY: entry})
    curve = Series(case(NASTY, f"{NASTY.replace('/', '')}/eager", "", ""), "value", (0.0, 1.0), (0.0, 1.0))
    folder = write_run(
        parent,
        nasty_records(),
        [curve],
        catalog={"functions": {NASTY: function}, "broken": [{"file": NASTY, "line": 1, "message": NASTY}]},
        environment={NASTY: {NASTY: NASTY}},
        command=[NASTY],
        left_out=[{"what": NASTY, "reason": NASTY}],
        metrics={NASTY: synthetic.metric(NASTY, None, NASTY)},
        suites={NASTY: NASTY},
    )
    html = write_report(folder).read_text(encoding="utf-8")
    page = read(html)
    assert page.unbalanced == page.open_tags == []
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert all("alert(1)" in text for name, text in page.sections.items() if name in ("summary", "times", "memory"))
    assert "{{ 7*7 }}" in html


def test_characters_that_no_page_can_hold_do_not_stop_the_report(parent: Path) -> None:
    odd = "a\x00b\x1b[31m\ud800\ue000漢"
    measured = case("relu", "x/eager", "forward", "4x4")
    records = [Record("memory", measured, "saved_bytes", 4, "byte", Verdict.MEASURED)]
    folder = write_run(parent, records, [])
    text = folder.records_jsonl.read_text().replace('"x"', '"a\\u0000b\\u001b[31m\\ud800\\ue000漢"')
    folder.records_jsonl.write_text(text)
    html = write_report(folder).read_text(encoding="utf-8")
    assert odd not in html
    assert "a�b�[31m��漢 · eager" in html


def test_what_does_not_apply_is_folded_and_no_failure_to_run(parent: Path) -> None:
    measured = case("relu", "where/eager", "forward_backward", "0x3")
    record = agreement(measured, "gradient_max_ulp", None, Verdict.NOT_APPLICABLE)
    html = write_report(write_run(parent, [record], [], catalog={})).read_text(encoding="utf-8")
    assert "Could not run" not in html
    assert re.search(r"<details><summary>1 remark on what has no value.*?not-applicable.*?</details>", html, re.DOTALL)


def test_an_incomplete_run_wears_a_banner(parent: Path) -> None:
    html = write_report(write_run(parent, list(synthetic.gradient_records()), [], complete=False)).read_text()
    assert 'role="alert"' in html
    assert "This run is incomplete." in html
    assert "✓</span>&nbsp;complete" not in html
    assert "nothing failed" not in html


@pytest.mark.parametrize("complete", [True, False])
def test_a_run_without_a_record_is_never_green(parent: Path, complete: bool) -> None:
    html = write_report(write_run(parent, [], [], complete=complete, left_out=[])).read_text(encoding="utf-8")
    assert 'role="alert"' in html
    assert "Nothing was measured" in html
    assert 'class="mark good"' not in html


def test_a_complete_run_wears_no_banner(standard_html: str) -> None:
    assert 'role="alert"' not in standard_html


def test_a_metric_that_no_section_knows_is_shown_without_an_edit(parent: Path) -> None:
    measured = case("relu", "where/eager", "forward_backward", "4x4")
    record = Record("energy", measured, "joules", 0.25, "J", Verdict.MEASURED, "from the meter", 0.2, 0.3, 9)
    metrics = {
        "joules": synthetic.metric("J", "lower", "Energy of one call."),
        "watts": synthetic.metric("W", None, ""),
    }
    folder = write_run(parent, [record], [], metrics=metrics, suites={"energy": "What does it draw?"})
    other = read(write_report(folder).read_text(encoding="utf-8")).sections["other"]
    for told in ("energy: joules", "What does it draw?", "Energy of one call.", "0.25 J", "0.2 J – 0.3 J", "watts"):
        assert told in other


def test_a_known_metric_of_an_unknown_suite_is_shown_too(parent: Path) -> None:
    record = Record("drift", case("relu", "where/eager", "forward", "4"), "time", 3e-6, "s", Verdict.MEASURED)
    assert "3.00 µs" in read(write_report(write_run(parent, [record], [])).read_text()).sections["other"]


def test_one_size_is_drawn_as_points(parent: Path) -> None:
    records = list(synthetic.speed_records(("1024x1024",)))
    html = write_report(write_run(parent, records, [])).read_text(encoding="utf-8")
    assert "forward + backward, 1024x1024" in html
    assert ">elements</text>" not in html


def test_a_noisy_time_is_marked(parent: Path) -> None:
    measured = case("relu", "where/eager", "forward_backward", "4x4")
    noisy = Record("speed", measured, "time", 1e-3, "s", Verdict.NOISY, "", 5e-4, 2e-3, 5)
    html = write_report(write_run(parent, [noisy], [])).read_text(encoding="utf-8")
    assert "≈ 1.00 ms" in html


def test_the_report_goes_where_it_is_told(parent: Path, tmp_path: Path) -> None:
    folder = write_run(parent, [], [])
    target = tmp_path / "mine.html"
    assert write_report(folder, target) == target
    assert target.is_file()
    assert not folder.report_html.exists()


def test_two_reports_of_one_run_are_the_same(parent: Path) -> None:
    folder = write_run(parent, list(synthetic.memory_records(("256x256",))), [])
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()


def test_the_importer_s_matplotlib_is_left_as_it_was(parent: Path) -> None:
    import matplotlib as mpl
    import seaborn as sns  # noqa: F401  (brings colour maps along)

    before = dict(mpl.rcParams)
    write_report(write_run(parent, list(synthetic.speed_records(("256x256", "1024x1024"))), []))
    assert dict(mpl.rcParams) == before


def test_a_report_needs_no_torch_and_an_import_needs_next_to_nothing(standard_run: RunFolder, tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
import gradgauge.report
heavy = {{"torch", "pandas", "seaborn", "matplotlib", "jinja2"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
from gradgauge.runs import RunFolder
folder = RunFolder(Path({str(standard_run.path)!r}))
assert gradgauge.report.summary_lines(folder)
assert not heavy & set(sys.modules), heavy & set(sys.modules)
gradgauge.report.write_report(folder, Path({str(tmp_path / "report.html")!r}))
assert "torch" not in sys.modules
print("built")
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout == "built\n", done.stderr


def test_the_libraries_are_those_that_are_listed() -> None:
    folder = Path(document.__file__).parent / "vendor"
    listed = dict(re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.MULTILINE))
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.js")}
    assert found == listed
