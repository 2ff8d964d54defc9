"""What a gate found as JUnit XML, which CI systems show beside the tests (no torch)."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree as ET

from gradgauge.gate.findings import MEANINGS, Finding, Gate
from gradgauge.gate.words import OUTCOMES, finding_line, headline, one_line, sides_in_words, subject

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def junit(gate: Gate) -> str:
    """Return JUnit XML: a suite for each kind of finding, a testcase for each finding.

    A finding that fails the gate is a failure, one that leaves it open is skipped; one that was accepted passes, and
    its output says why. No two testcases of a suite share a name.
    """
    root = ET.Element("testsuites", {"name": "gradgauge gate", **_counts(gate.findings)})
    if gate.seconds:
        root.set("time", f"{sum(gate.seconds.values()):.3f}")
    for kind in dict.fromkeys(finding.kind for finding in gate.findings):
        findings = tuple(finding for finding in gate.findings if finding.kind == kind)
        suite = ET.SubElement(root, "testsuite", {"name": f"gradgauge gate: {one_line(kind)}", **_counts(findings)})
        _properties(suite, gate)
        named: Counter[str] = Counter()
        for finding in findings:
            name = subject(finding)
            named[name] += 1
            number = f" ({named[name]})" if named[name] > 1 else ""
            _testcase(suite, finding, f"{name}{number}")
    ET.indent(root)
    return f"{_DECLARATION}{ET.tostring(root, encoding='unicode')}\n"


def _counts(findings: tuple[Finding, ...]) -> dict[str, str]:
    failing = sum(1 for finding in findings if finding.fails)
    still_open = sum(1 for finding in findings if finding.outcome.is_open)
    return {"tests": str(len(findings)), "failures": str(failing), "errors": "0", "skipped": str(still_open)}


def _properties(suite: ET.Element, gate: Gate) -> None:
    properties = ET.SubElement(suite, "properties")
    for name, value in {"compared": sides_in_words(gate), "gate": headline(gate)}.items():
        ET.SubElement(properties, "property", {"name": name, "value": value})


def _testcase(suite: ET.Element, finding: Finding, name: str) -> None:
    where = f"gradgauge.gate.{one_line(finding.kind)}"
    case = ET.SubElement(suite, "testcase", {"classname": where, "name": name})
    line = finding_line(finding)
    if finding.fails:
        failure = ET.SubElement(case, "failure", {"message": line, "type": str(finding.outcome)})
        failure.text = f"{line}\n{MEANINGS[finding.outcome]}"
    elif finding.outcome.is_open:
        ET.SubElement(case, "skipped", {"message": line})
    elif finding.outcome.fails:
        said = f"{OUTCOMES[finding.outcome]}, and accepted: {one_line(finding.accepted)}\n{line}"
        ET.SubElement(case, "system-out").text = said
    else:
        ET.SubElement(case, "system-out").text = line
