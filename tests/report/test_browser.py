"""The page as a reader has it: in Chromium, with its scripts, by pointer and by keyboard, on screen and on paper."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from gradgauge.records import Record, Verdict
from gradgauge.report import write_report
from gradgauge.runs import RunFolder
from tests.browsers import chromium, needs_browser
from tests.report import synthetic
from tests.report.synthetic import agreement, case, write_run

pytestmark = [needs_browser, pytest.mark.slow]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
UNFOLD = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"


class Reader:
    """A page of a browser, and what it should never do: complain on the console, ask for anything, open a dialog."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", lambda message: self._complain(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("dialog", self._dismiss)
        page.on("request", lambda request: self._stay(request.url))
        page.on("framenavigated", lambda frame: self._stay(frame.url))

    def _complain(self, words: str) -> None:
        self.complaints.append(words)

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(dialog.message)
        dialog.dismiss()

    def _stay(self, url: str) -> None:
        if not url.startswith((self.url, "about:blank")):
            self.complaints.append(url)

    def open(self, fragment: str = "") -> Page:
        """Load the page and wait until its scripts have run."""
        self.page.goto("about:blank")
        self.complaints.clear()
        self.page.goto(f"{self.url}{fragment}")
        self.page.wait_for_selector("html[data-ready]")
        return self.page

    def see_all(self) -> None:
        """Open all that is folded and pass over the page, so that every table has been on screen."""
        self.page.evaluate(UNFOLD)
        self.page.evaluate(
            """async () => {
                for (let y = 0; y < document.body.scrollHeight; y += 500) {
                    scrollTo(0, y);
                    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
                }
            }"""
        )
        expect(self.page.locator("#explorer tbody tr").first).to_be_visible()

    def shown(self, selector: str) -> list[str]:
        """Return the texts of the elements that can be seen."""
        return [each.inner_text() for each in self.page.locator(selector).all() if each.is_visible()]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def standard_page(standard_run: RunFolder) -> Path:
    return write_report(standard_run)


@pytest.fixture
def reader(browser: Browser, standard_page: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    """Return a reader of the standard page; parametrize indirectly with playwright's options for another screen."""
    options: dict[str, Any] = {"viewport": {"width": 1400, "height": 1000}, **getattr(request, "param", {})}
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"], **options)
    found = Reader(context.new_page(), standard_page.as_uri())
    yield found
    context.close()
    assert found.complaints == []


def in_screen(*, width: int = 1400, height: int = 1000, dark: bool = False) -> dict[str, Any]:
    return {"viewport": {"width": width, "height": height}, "color_scheme": "dark" if dark else "light"}


SCREENS = [in_screen(), in_screen(dark=True), in_screen(width=390, height=844), in_screen(width=390, dark=True)]
NAMES = ["wide-light", "wide-dark", "phone-light", "phone-dark"]


@pytest.mark.parametrize("reader", SCREENS, indirect=True, ids=NAMES)
def test_nothing_is_fetched_and_nobody_complains(reader: Reader) -> None:
    reader.open()
    reader.see_all()


@pytest.mark.parametrize("reader", SCREENS, indirect=True, ids=NAMES)
def test_axe_finds_nothing_to_mend(reader: Reader) -> None:
    page = reader.open()
    reader.see_all()
    page.evaluate(AXE)
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    told = [(each["id"], each["impact"], each["nodes"][0]["html"][:200]) for each in found]
    assert told == []


def test_axe_would_find_something(reader: Reader) -> None:
    page = reader.open()
    page.evaluate("document.querySelector('svg[role=img]').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('nav').style.opacity = 0.2")
    page.evaluate(AXE)
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    assert {"svg-img-alt", "color-contrast"} <= {each["id"] for each in found}


def test_the_questions_stand_in_their_order_and_lead_to_their_answers(reader: Reader) -> None:
    page = reader.open()
    titles = reader.shown("nav > ol > li > a")
    assert titles == [
        "Is anything wrong?",  # first, as something is
        "What should I use?",
        "How much faster, really?",
        "What does it cost in memory?",
        "Where does the gradient differ?",
        "Where does the time go?",
        "Can I trust this?",
    ]
    page.get_by_role("link", name="What does it cost in memory?").first.click()
    assert page.evaluate("location.hash") == "#cost"
    box = page.locator("#cost").bounding_box()
    assert box is not None
    assert abs(box["y"]) < 120


# --- the filter -------------------------------------------------------------------------------------------------


def test_a_filter_leaves_what_concerns_it_and_what_concerns_all(reader: Reader) -> None:
    page = reader.open()
    page.evaluate(UNFOLD)
    before = reader.shown("#times h4")
    assert {"relu", "multiply"} <= {title.strip() for title in before}
    page.locator("select[name=function]").select_option("relu")
    assert [title.strip() for title in reader.shown("#times h4")] == ["relu"]
    page.locator("select[name=mode]").select_option("compiled")
    rows = [row for row in reader.shown("#times tbody tr") if " · " in row]
    assert rows
    assert all("eager" not in row.split("\n")[0] for row in rows)
    assert reader.shown("#environment h4"), "what concerns every function stays"
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#times h4").nth(1)).to_be_visible()
    assert reader.shown("#times h4") == before


def test_a_filter_holds_for_the_table_of_all_records(reader: Reader) -> None:
    page = reader.open("#records")
    rows = page.locator("#explorer tbody tr")
    expect(rows).to_have_count(25)
    page.locator("select[name=function]").select_option("multiply")
    expect(rows.first).to_contain_text("multiply")
    assert all(row.startswith("multiply") for row in rows.all_inner_texts())


def test_a_permalink_brings_back_section_filter_and_search(reader: Reader) -> None:
    page = reader.open()
    page.locator("select[name=function]").select_option("relu")
    page.locator("select[name=mode]").select_option("eager")
    page.get_by_role("link", name="All records", exact=True).click()
    page.get_by_label("Search all texts").fill("saved_bytes")
    expect(page).to_have_url(re.compile("search="))
    link = page.evaluate("location.hash")
    assert link == "#records?function=relu&mode=eager&search=saved_bytes"
    page = reader.open(link)
    assert page.locator("select[name=function]").input_value() == "relu"
    assert page.locator("select[name=mode]").input_value() == "eager"
    rows = page.locator("#explorer tbody tr")
    expect(rows.first).to_contain_text("saved_bytes")
    for row in rows.all_inner_texts():
        assert row.startswith("relu")
        assert "eager" in row
        assert "saved_bytes" in row


def test_a_permalink_opens_the_fold_that_it_leads_into(reader: Reader) -> None:
    page = reader.open()
    page.evaluate("document.querySelector('details > *:not(summary)').id = 'within'")
    page.evaluate("location.hash = '#within'")
    expect(page.locator("details", has=page.locator("#within")).first).to_have_attribute("open", "")


@pytest.mark.parametrize(
    "fragment", ["#times?function=nobody", "#nowhere", "#%F0%9F%98%80?mode=", "#%?mode=", "#?x=<b>&function="]
)
def test_a_link_that_fits_nothing_shows_everything(reader: Reader, fragment: str) -> None:
    page = reader.open(fragment)
    assert page.locator(".off").count() == 0
    assert page.locator("select[name=function]").input_value() == ""


def test_the_link_of_what_is_shown_can_be_copied(reader: Reader) -> None:
    page = reader.open()
    page.locator("select[name=mode]").select_option("eager")
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#status")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url


# --- tables -----------------------------------------------------------------------------------------------------


def test_a_column_of_times_is_sorted_by_value_and_by_keyboard(reader: Reader) -> None:
    page = reader.open("#times")
    table = page.locator("#times table").first
    table.scroll_into_view_if_needed()
    expect(table).to_have_attribute("data-enhanced", "yes")
    column = table.locator("thead th.numeric").first
    index = column.evaluate("(cell) => cell.cellIndex")

    def keys() -> list[float]:
        cells = table.locator(f"tbody tr :nth-child({index + 1})").all()
        return [float(key) for cell in cells if (key := cell.get_attribute("data-order"))]

    before = keys()
    assert before != sorted(before)
    column.locator("[role=button]").focus()
    page.keyboard.press("Enter")
    expect(column).to_have_attribute("aria-sort", "ascending")
    assert keys() == sorted(before)
    page.keyboard.press("Enter")
    expect(column).to_have_attribute("aria-sort", "descending")
    assert keys() == sorted(before, reverse=True)
    page.keyboard.press("Enter")
    expect(column).not_to_have_attribute("aria-sort", "descending")
    assert keys() == before


def test_a_table_is_copied_as_csv_without_what_the_filter_hides(reader: Reader) -> None:
    page = reader.open("#times")
    page.locator("select[name=mode]").select_option("eager")
    page.locator("#times table").first.scroll_into_view_if_needed()
    page.locator("#times button.copy").first.click()
    rows = list(csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert rows[0][0] == "Technique"
    assert len({len(row) for row in rows}) == 1
    assert rows[1:]
    assert not any("compiled" in row[0] for row in rows[1:])
    assert any("µs" in cell or "ms" in cell for cell in rows[1])


def test_records_are_found_sorted_and_copied_in_full(reader: Reader, standard_run: RunFolder) -> None:
    stored = [json.loads(line) for line in standard_run.records_jsonl.read_text(encoding="utf-8").splitlines()]
    page = reader.open("#records")
    page.get_by_label("Search all texts").fill("speed time forward_backward")
    expect(page.locator("#explorer tbody tr").first).to_contain_text("forward_backward")
    wanted = [
        each
        for each in stored
        if (each["suite"], each["metric"], each["pass"]) == ("speed", "time", "forward_backward")
    ]
    page.wait_for_timeout(300)
    header = page.locator("#explorer thead th[data-name=value]")
    header.locator("[role=button]").click()
    page.locator("#records button.copy").first.click()
    expect(page.locator("#status")).to_contain_text("Copied")
    rows = list(csv.DictReader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert [float(row["value"]) for row in rows if row["value"]] == sorted(
        each["value"] for each in wanted if each["value"] is not None
    )


# --- screens and paper ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reader", [in_screen(width=390, height=844), in_screen(width=320)], indirect=True)
def test_on_a_phone_the_page_does_not_scroll_sideways(reader: Reader) -> None:
    page = reader.open()
    reader.see_all()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("reader", [in_screen(dark=True)], indirect=True)
def test_in_the_dark_the_drawings_are_light(reader: Reader) -> None:
    page = reader.open()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)"
    drawn = page.evaluate(
        """() => [...document.querySelectorAll("svg[role=img] text")].slice(0, 200)
                   .map((text) => getComputedStyle(text).fill)"""
    )
    dark = [colour for colour in drawn if sum(map(int, colour[4:-1].split(", "))) < 3 * 110]
    assert drawn
    assert dark == []


def test_paper_has_all_that_is_folded_and_none_of_the_tools(reader: Reader, tmp_path: Path) -> None:
    page = reader.open()
    page.emulate_media(media="print")
    for tool in ("#filters", "nav", "button.copy"):
        assert not page.locator(tool).first.is_visible()
    printed = tmp_path / "page.pdf"
    page.pdf(path=printed)
    assert printed.stat().st_size > 50_000
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") in (
        "rgb(255, 255, 254)",
        "rgba(0, 0, 0, 0)",
    )


def test_without_scripts_everything_stands_there(browser: Browser, standard_page: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(standard_page.as_uri())
    assert page.locator("#times table").first.is_visible()
    assert not page.locator("#filters").is_visible()
    context.close()


def test_values_are_told_where_a_pointer_rests(reader: Reader) -> None:
    page = reader.open()
    told = page.locator("#times svg title").all_text_contents()
    assert told
    assert any("ms" in each or "µs" in each for each in told)


# --- a stranger's run ---------------------------------------------------------------------------------------------

SCRIPT = "<script>window.pwned=1;alert(1)</script><img src=x onerror='window.pwned=1'>\"'><svg onload=alert(1)>"


def test_no_name_runs_anything(browser: Browser, tmp_path: Path) -> None:
    cases = [case(SCRIPT, f"{SCRIPT.replace('/', '')}/eager", "forward_backward", shape) for shape in ("4x4", "8x8")]
    records = [
        *(synthetic.timed(each, 1e-3) for each in cases),
        *(synthetic.speedup(each, 2.0, 1.9, 2.1) for each in cases),
        agreement(cases[0], "gradient_max_ulp", 9.0, Verdict.FAIL, input=SCRIPT),
        Record(SCRIPT, cases[1], SCRIPT, 1.0, SCRIPT, Verdict.MEASURED, SCRIPT),
    ]
    entry = synthetic.function("relu", SCRIPT, SCRIPT, implementations={SCRIPT: synthetic.implementation(SCRIPT)})
    folder = write_run(
        tmp_path / "runs", records, [], catalog={"functions": {SCRIPT: entry}}, environment={"x": SCRIPT}
    )
    found = Reader(browser.new_page(), write_report(folder).as_uri())
    page = found.open("#records")
    found.see_all()
    page.locator("#explorer thead [role=button]").first.click()
    assert page.evaluate("window.pwned") is None
    assert found.complaints == []
    assert SCRIPT[:30] in page.locator("#explorer tbody tr").first.inner_text()
