"""Changes accepted on purpose: a small committed file beside the implementations (no torch).

An acceptance holds for one technique, one metric and one change, and expires when the technique's code changes next.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from gradgauge.gate.findings import Finding, Outcome
from gradgauge.runs import UnreadableRun

ACCEPTED_JSON = "accepted.json"
AXES = ("mode", "pass_", "device", "dtype", "shape", "layout")

Digest = Callable[[str, str], str]
"""Function and implementation → a digest of the candidate's code; empty where there is none."""


@dataclass(frozen=True, order=True)
class Acceptance:
    """One accepted change. An axis that is empty stands for any.

    kind, suite, metric: as the finding has them, `""` for a metric where the technique itself is meant.
    allowed: the verdict, the figure or, of times, the ratio up to which it is accepted; None where there is none, as
    for a technique that is gone. higher_is_worse: in which direction more than that is not accepted.
    code: the digest of the technique's code when it was accepted.
    """

    function: str
    implementation: str
    kind: str
    outcome: str
    suite: str
    metric: str
    labels: str
    mode: str
    pass_: str
    device: str
    dtype: str
    shape: str
    layout: str
    allowed: float | str | None
    higher_is_worse: bool
    code: str
    reason: str

    def means(self, finding: Finding) -> bool:
        """Whether a finding is about what was accepted, however far it goes."""
        case = finding.case
        same = (self.function, self.implementation) == (case.function, case.implementation)
        same = same and (self.kind, self.outcome) == (finding.kind, str(finding.outcome))
        same = same and (self.suite, self.metric, self.labels) == (finding.suite, finding.metric, _labels(finding))
        return same and all(getattr(self, axis) in ("", getattr(case, axis)) for axis in AXES)

    def allows(self, finding: Finding) -> bool:
        """Whether the finding goes no further than what was accepted."""
        found = _extent(finding)
        if isinstance(self.allowed, (int, float)) and isinstance(found, (int, float)):
            return found <= self.allowed if self.higher_is_worse else found >= self.allowed
        return self.allowed == found

    def subject(self) -> tuple[object, ...]:
        """Return what two acceptances of the same thing share."""
        return tuple(
            getattr(self, each.name) for each in fields(self) if each.name not in ("allowed", "code", "reason")
        )


def accept(findings: Iterable[Finding], reason: str, digest: Digest) -> list[Acceptance]:
    """Return what accepts these findings; raise ValueError for an empty reason, and for a finding that fails nothing."""
    if not reason.strip():
        raise ValueError("a change is accepted for a reason; it is empty")
    made = []
    for finding in findings:
        if not finding.outcome.fails or finding.outcome is Outcome.NOTHING_MEASURED:
            raise ValueError(f"{finding.outcome} of {finding.case.slug or 'the session'} is nothing to accept")
        case = finding.case
        # A time is accepted up to the top of its interval: measured again, it will come out a little higher or lower.
        allowed = finding.ratio.high or finding.ratio.value if finding.ratio else _extent(finding)
        made.append(
            Acceptance(
                case.function,
                case.implementation,
                finding.kind,
                str(finding.outcome),
                finding.suite,
                finding.metric,
                _labels(finding),
                **{axis: getattr(case, axis) for axis in AXES},
                allowed=allowed,
                higher_is_worse=not _falls(finding),
                code=digest(case.function, case.implementation),
                reason=reason.strip(),
            )
        )
    return made


def apply(
    findings: Sequence[Finding], acceptances: Sequence[Acceptance], digest: Digest
) -> tuple[list[Finding], list[str]]:
    """Return the findings, those that are accepted with the reason, and a line for each acceptance that has expired."""
    standing = [each for each in acceptances if each.code == digest(each.function, each.implementation)]
    expired = [each for each in acceptances if each not in standing]
    notes = [
        f"the acceptance of {each.function}/{each.implementation} · {each.metric or each.outcome} has expired: its code "
        f"changed ({each.reason})"
        for each in sorted(expired)
    ]
    judged = []
    for finding in findings:
        fitting = [each for each in standing if each.means(finding) and each.allows(finding)]
        judged.append(replace(finding, accepted=fitting[0].reason) if fitting and finding.outcome.fails else finding)
    return judged, notes


def read_accepted(folder: Path) -> list[Acceptance]:
    """Return what the folder's file accepts, nothing without a file; raise UnreadableRun where it is broken."""
    file = folder / ACCEPTED_JSON
    if not file.is_file():
        return []
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))["accepted"]
        found = [Acceptance(**entry) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableRun(f"{file}: not what `gradgauge accept` writes: {type(error).__name__}: {error}") from error
    for index, each in enumerate(found):
        if not str(each.reason).strip():
            raise UnreadableRun(f"{file}: accepted[{index}].reason: {each.reason!r}, expected a reason")
    return found


def write_accepted(folder: Path, entries: Sequence[Acceptance], digest: Digest) -> None:
    """Write the file, the newest entry of each subject alone, and none that has expired."""
    newest = {each.subject(): each for each in entries if each.code == digest(each.function, each.implementation)}
    told = {"accepted": [asdict(each) for each in sorted(newest.values(), key=lambda each: str(each.subject()))]}
    (folder / ACCEPTED_JSON).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _extent(finding: Finding) -> float | str | None:
    return finding.ratio.value if finding.ratio else finding.candidate


def _falls(finding: Finding) -> bool:
    """Whether the finding is that a figure fell."""
    before, after = finding.baseline, finding.candidate
    return isinstance(before, (int, float)) and isinstance(after, (int, float)) and after < before


def _labels(finding: Finding) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(finding.labels.items()))
