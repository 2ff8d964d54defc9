from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from gradgauge.gate.findings import Outcome
from gradgauge.gate.junit import junit
from gradgauge.gate.words import finding_line
from tests.gates import EMPTY, EVERY_GATE, exact, gate, hostile, red, timed


@pytest.mark.parametrize("name", EVERY_GATE)
def test_it_is_well_formed_and_its_counts_are_right(name: str) -> None:
    found = EVERY_GATE[name]
    root = ET.fromstring(junit(found).encode())
    assert root.tag == "testsuites"
    for element in (root, *root.findall("testsuite")):
        assert int(element.attrib["tests"]) == len(element.findall(".//testcase"))
        assert int(element.attrib["failures"]) == len(element.findall(".//failure"))
        assert int(element.attrib["skipped"]) == len(element.findall(".//skipped"))
        assert element.attrib["errors"] == "0"
    assert int(root.attrib["tests"]) == len(found.findings)
    assert int(root.attrib["failures"]) == sum(finding.fails for finding in found.findings)
    assert int(root.attrib["skipped"]) == sum(finding.outcome.is_open for finding in found.findings)


def test_a_suite_for_each_kind() -> None:
    suites = ET.fromstring(junit(red())).findall("testsuite")
    assert [suite.attrib["name"].rpartition(": ")[2] for suite in suites] == [
        "time",
        "exact",
        "implementation",
        "session",
    ]
    assert [suite.attrib["tests"] for suite in suites] == ["7", "3", "7", "2"]
    assert {case.attrib["classname"] for case in suites[1].findall("testcase")} == {"gradgauge.gate.exact"}


def test_what_fails_says_what_and_of_which_outcome() -> None:
    root = ET.fromstring(junit(red()))
    failure = root.findall(".//failure")[0]
    assert failure.attrib["message"] == finding_line(red().findings[0])
    assert failure.attrib["type"] == "regression"
    assert "the whole interval lies above the tolerance" in str(failure.text)


def test_what_is_open_is_skipped_with_its_reason() -> None:
    messages = [skipped.attrib["message"] for skipped in ET.fromstring(junit(red())).findall(".//skipped")]
    assert len(messages) == 4
    assert "cannot tell: +40.0 % (no interval)" in messages[1]


def test_what_was_accepted_passes_and_says_why() -> None:
    accepted = ET.fromstring(junit(red())).findall(".//testcase")[2]
    assert [child.tag for child in accepted] == ["system-out"]
    assert "slower, and accepted: clearer, and rarely called" in str(accepted[0].text)


def test_the_headline_and_the_time_are_there() -> None:
    root = ET.fromstring(junit(red()))
    values = {found.attrib["name"]: found.attrib["value"] for found in root.findall("testsuite[1]//property")}
    assert values["gate"].startswith("failed: 2 regressions")
    assert values["compared"].endswith("against main (0123456789)")
    assert root.attrib["time"] == "125.200"


def test_testcases_of_one_suite_have_names_of_their_own() -> None:
    twin = timed(Outcome.NO_REGRESSION, 1.0)
    cases = ET.fromstring(junit(gate(twin, twin, exact(Outcome.WORSE, 1.0, 2.0), twin))).findall(".//testcase")
    names = [case.attrib["name"] for case in cases if case.attrib["classname"] == "gradgauge.gate.time"]
    assert len(set(names)) == 3
    assert names[1] == f"{names[0]} (2)"


def test_hostile_names_come_out_as_they_are_but_for_what_xml_cannot_hold() -> None:
    root = ET.fromstring(junit(hostile()).encode())
    message = root.findall(".//failure")[0].attrib["message"]
    assert "<script>alert(1)</script>|`x`@octocat #12 # heading�[31m�" in message
    assert {element.tag for element in root.iter()} <= {
        *("testsuites", "testsuite", "testcase", "properties", "property", "failure", "skipped", "system-out"),
    }


@pytest.mark.parametrize("illegal", ["\x00", "\x0b", "\x1b", "\ud800", "\ufffe", "\uffff"])
def test_no_illegal_character_is_written(illegal: str) -> None:
    text = junit(gate(timed(Outcome.REGRESSION, 1.2), exact(Outcome.WORSE, f"a{illegal}b", "c")))
    assert illegal not in text
    assert "a�b → c" in str(ET.fromstring(text.encode()).findall(".//failure")[1].attrib["message"])


def test_nothing_found_is_no_suite() -> None:
    root = ET.fromstring(junit(EMPTY))
    assert root.attrib["tests"] == "0"
    assert len(root) == 0
