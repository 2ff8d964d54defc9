from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gradgauge.gate.findings import Outcome, Status
from gradgauge.gate.markdown import MARKER, MOST_CHARACTERS, markdown
from gradgauge.gate.words import OUTCOMES
from tests.gates import EMPTY, EVERY_GATE, NASTY, case, gate, green, hostile, implementation, long, red, timed

LIMIT = 65_536


def shown(text: str) -> str:
    """Return the page without blocks of code."""
    return re.sub(r"^(`{3,})text\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", EVERY_GATE)
def test_the_marker_is_the_first_line_and_the_headline_the_second(name: str) -> None:
    lines = markdown(EVERY_GATE[name]).splitlines()
    assert lines[0] == MARKER == "<!-- gradgauge-gate -->"
    assert re.match(r"### (✅|❌|❔) gradgauge gate (passed|failed|cannot tell): ", lines[1])


@pytest.mark.parametrize("name", EVERY_GATE)
def test_tables_and_folds_are_whole(name: str) -> None:
    text = shown(markdown(EVERY_GATE[name]))
    assert text.count("<details>") == text.count("</details>") == 1
    for row in (line for line in text.splitlines() if line.startswith("|")):
        assert len(re.findall(r"(?<!\\)\|", row)) == 8, row


def test_a_table_follows_a_blank_line_and_its_rows_follow_one_another() -> None:
    for block in shown(markdown(red())).split("\n\n"):
        lines = block.strip("\n").splitlines()
        if any(line.startswith("|") for line in lines):
            assert all(line.startswith("|") for line in lines)
            assert lines[1].startswith("|---")


def test_green_is_short_but_for_what_is_folded() -> None:
    text = markdown(green())
    before, _, folded = text.partition("<details>")
    assert len(before.strip().splitlines()) <= 4
    assert "|" not in before
    assert folded.count("| not slower |") == 24
    assert "┊ tolerance" in folded
    assert "With 98 % confidence" in folded


def test_red_has_what_fails_then_what_is_open_then_the_notes_then_the_plot_then_the_rest() -> None:
    text = markdown(red())
    marks = ("**What fails it**", "**Still open**", "**Accepted**", "- Note: The control", "```text", "<details>")
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    fails = text[places[0] : places[1]]
    assert "| 12.0 µs | 13.2 µs | +10.2 % \\[+9.0, +11.4\\] | 3 % |" in fails
    assert "| 4.0 KiB | 8.0 KiB | +100.0 % |" in fails
    assert fails.index("14.2×") < fails.index("+10.2 %"), "the worst first"
    assert fails.count("\n| ") == 8
    assert "accepted: clearer, and rarely called" in text[places[2] : places[3]]
    assert text[places[5] :].count("\n| ") == 8


def test_every_finding_of_red_is_told_once() -> None:
    rows = [line for line in markdown(red()).splitlines() if line.startswith("| ")]
    told = [row.split(" | ")[0].strip("| ") for row in rows if not row.startswith("| |")]
    assert sorted(told) == sorted(OUTCOMES[finding.outcome] for finding in red().findings)


def test_what_has_no_detail_says_what_its_outcome_means() -> None:
    assert "| removed | relu · old\\_trick |  |  |  |  | in the baseline, not in the candidate |" in markdown(red())


def test_cannot_tell_has_its_own_sign() -> None:
    found = gate(timed(Outcome.CANNOT_TELL, 1.02))
    assert found.status is Status.CANNOT_TELL
    assert "### ❔ gradgauge gate cannot tell: 1 still open" in markdown(found)
    assert "**What fails it**" not in markdown(found)


def test_an_empty_gate_has_no_table() -> None:
    assert "|" not in markdown(EMPTY)
    assert "```" not in markdown(EMPTY)


def test_names_are_data() -> None:
    text = shown(markdown(hostile()))
    assert text.count("alert(1)") >= 10
    assert not re.search(r"<(?!/?details>|/?summary>|!-- gradgauge-gate -->)", text)
    assert not re.search(r"@(?!&#8203;)", text), "nobody is called"
    assert not re.search(r"(?<!&)#\d", text), "no issue is referred to"
    assert "://" not in text, "nothing is linked"
    assert not re.search(r"(?<!\\)`", text)
    assert not re.search("[\x00-\x08\x0b-\x1f]", text)


@pytest.mark.parametrize("special", ["|", "`", "*", "_", "[", "]", "~", "\\"])
def test_what_markdown_reads_is_escaped(special: str) -> None:
    text = markdown(gate(implementation(Outcome.REMOVED, "a", f"x{special}y")))
    assert f"x\\{special}y |" in text


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("@octocat", "@&#8203;octocat"),
        ("see #12", "see #&#8203;12"),
        ("$x$", "&#36;x&#36;"),
        ("http://a.b", "http:&#8203;//a.b"),
        ("www.a.b", "www&#8203;.a.b"),
        ("GH-12", "GH&#8203;-12"),
        ("one\n\ntwo", "one two"),
    ],
)
def test_what_github_reads_is_escaped(given: str, written: str) -> None:
    assert f"| {written} |" in markdown(gate(implementation(Outcome.REMOVED, "a", given)))


def test_no_name_closes_the_block_of_code() -> None:
    text = markdown(gate(timed(Outcome.REGRESSION, 1.2, case("a\n```\nb````c"))))
    fences = [line for line in text.splitlines() if re.match("`{3}", line)]
    assert fences == ["`````text", "`````"]


def test_a_revision_at_the_start_of_a_line_is_no_heading() -> None:
    found = green()
    text = markdown(replace(found, candidate=replace(found.candidate, kind="revision", name="# big", commit="")))
    assert "\nCompared: # big against main" in text


def test_a_comment_is_never_too_long_and_says_what_it_left_out() -> None:
    text = markdown(long())
    assert 0.5 * MOST_CHARACTERS < len(text) <= MOST_CHARACTERS < LIMIT
    rows = text.partition("**What fails it**")[2].partition("```text")[0]
    told = int(re.findall(r"… and ([\d,]+) more in gate.json", rows)[0].replace(",", ""))
    assert rows.count("\n| slower |") + told == 3000
    assert "```text" in text
    assert "<details>" in text
    rest = text.partition("<details>")[2]
    told = int(re.findall(r"… and ([\d,]+) more in gate.json", rest)[0].replace(",", ""))
    assert rest.count("\n| not slower |") + told == 3000


def test_no_note_and_no_name_makes_it_too_long() -> None:
    awful = "@" * 5000
    slow = replace(timed(Outcome.REGRESSION, 1.2, case(awful)), detail=awful, labels={awful: awful})
    still_open = replace(slow, outcome=Outcome.CANNOT_TELL)
    found = gate(*[slow, still_open, replace(slow, accepted=awful)] * 200, notes=(awful,) * 300)
    text = markdown(replace(found, seconds={awful: 1.0}))
    assert len(text) <= MOST_CHARACTERS
    assert "- Note: " in text
    assert "┊ tolerance" in text
    assert text.rstrip().endswith("</details>")


def test_a_hostile_note_stays_in_its_line() -> None:
    (line,) = (line for line in markdown(gate(notes=(NASTY,))).splitlines() if "Note" in line)
    assert line.startswith("- Note: &lt;script")
    assert "heading" in line
