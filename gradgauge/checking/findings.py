"""What came of a check: findings, and the error that tells those that are wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from gradgauge.records import Verdict

MOST_TOLD = 4
"""So many findings are told in full; the others by a line each."""
WIDTH = 110


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    verdict: `pass`, `fail`, `unsupported` (it raises where it need not be right) or `not-applicable`. detail: what is
    wrong, or worth saying. example: the smallest input that shows it, with what is right and what was found. snippet:
    what reproduces it in plain PyTorch. same_as: the check that told the same fault already.
    """

    check: str
    verdict: Verdict
    detail: str = ""
    example: str = ""
    snippet: str = ""
    same_as: str = ""


@dataclass(frozen=True)
class Findings:
    """What came of every check, in the order in which they ran; `str()` is a table."""

    subject: str
    findings: tuple[Finding, ...]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, check: str) -> Finding:
        """Return the finding of a check by its name; raise KeyError where it did not run."""
        for finding in self.findings:
            if finding.check == check:
                return finding
        raise KeyError(check)

    def of(self, verdict: Verdict) -> list[Finding]:
        """Return the findings with a verdict."""
        return [finding for finding in self.findings if finding.verdict == verdict]

    def __str__(self) -> str:
        wide = max((len(finding.check) for finding in self.findings), default=0)
        lines = [
            f"{finding.check:<{wide}}  {finding.verdict:<14}  {finding.detail}".rstrip() for finding in self.findings
        ]
        return "\n".join([self.subject, *lines])


class CheckFailed(AssertionError):
    """A function that is wrong somewhere; the message says where, with the smallest input that shows it.

    findings: of every check that ran.
    """

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        super().__init__(_message(findings))

    def __reduce__(self) -> tuple[type[CheckFailed], tuple[Findings]]:
        # An exception is pickled by its arguments, which here is the message; pools of processes send exceptions.
        return type(self), (self.findings,)


def _message(findings: Findings) -> str:
    failed = findings.of(Verdict.FAIL)
    first = [finding for finding in failed if not finding.same_as]
    total = len([each for each in findings if each.verdict != Verdict.NOT_APPLICABLE])
    parts = [f"{findings.subject}: {len(failed)} of {total} checks failed"]
    for finding in first[:MOST_TOLD]:
        others = [other for other in failed if other.same_as == finding.check]
        met = textwrap.fill(f"met again in: {_names(others)}", WIDTH - 2) if others else ""
        parts.append(_told(finding, met))
    if first[MOST_TOLD:]:
        parts.append("\n".join(_line(finding) for finding in first[MOST_TOLD:]))
    rest = [f"passed: {_names(findings.of(Verdict.PASS))}"]
    refused = findings.of(Verdict.UNSUPPORTED)
    if refused:
        rest.append(f"not supported, and allowed to be: {_names(refused)}")
    parts.append("\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in rest))
    return "\n\n".join(parts)


def _told(finding: Finding, met: str) -> str:
    lines = [_line(finding)]
    if met:
        lines.append(textwrap.indent(met, "  "))
    if finding.example:
        lines.append(textwrap.indent(finding.example, "  "))
    if finding.snippet:
        lines += ["  in plain PyTorch:", textwrap.indent(finding.snippet, "      ")]
    return "\n".join(lines)


def _line(finding: Finding) -> str:
    return textwrap.fill(f"✗ {finding.check}: {finding.detail}", WIDTH, subsequent_indent="  ")


def _names(findings: list[Finding]) -> str:
    return ", ".join(finding.check for finding in findings) or "nothing"
