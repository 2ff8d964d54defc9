"""What somebody accepted on purpose: `accepted.json` beside the implementations (no torch)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from gradgauge.cases import Case
from gradgauge.gate.findings import FAILING, Finding, Outcome
from gradgauge.records import Verdict
from gradgauge.report.description import read_case
from gradgauge.report.reading import Node
from gradgauge.runs import UnreadableRun

SCHEMA_VERSION = 1
ACCEPTED_JSON = "accepted.json"

Digest = Callable[[str, str], str]
"""Function, implementation → a digest of the candidate's code; empty where there is none."""

_WORDS = ("kind", "suite", "metric", "reason", "code")
_KEYS = ("outcome", *_WORDS, "labels", "baseline", "candidate")


@dataclass(frozen=True)
class Acceptance:
    """One accepted change; it ends with the code that it was given for.

    case: an empty axis stands for any. candidate: what is allowed. A number allows what is no farther from `baseline`,
    a verdict itself, and None that there is nothing; of a time it is the ratio to the baseline's, up to which it holds.
    code: the digest of the code, empty where it was removed.
    """

    kind: str
    outcome: Outcome
    case: Case
    reason: str
    code: str
    suite: str = ""
    metric: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    baseline: float | str | None = None
    candidate: float | str | None = None

    def __str__(self) -> str:
        technique = (self.case.function, self.case.implementation, self.case.mode, self.case.pass_, self.metric)
        return " · ".join(filter(None, technique))

    @property
    def thing(self) -> tuple[Any, ...]:
        """Return what it is about, whatever the values are: of these, a newer one replaces an older one."""
        return self.case, self.kind, str(self.outcome), self.suite, self.metric, tuple(sorted(self.labels.items()))

    def is_about(self, finding: Finding) -> bool:
        """Whether the finding is of what was accepted; one that is wider than that is not."""
        axes = (axis.name for axis in fields(Case))
        return (
            (self.kind, self.outcome, self.suite, self.metric)
            == (finding.kind, finding.outcome, finding.suite, finding.metric)
            and all(getattr(self.case, axis) in ("", getattr(finding.case, axis)) for axis in axes)
            and self.labels.items() <= finding.labels.items()
        )

    def allows(self, finding: Finding) -> bool:
        """Whether the finding's candidate is no worse than what was accepted."""
        now = finding.ratio.value if finding.ratio else finding.candidate
        if isinstance(now, int | float) and isinstance(self.candidate, int | float):
            limit, was = self.candidate, self.baseline
            more_is_worse = not isinstance(was, int | float) or limit >= was
            return now <= limit if more_is_worse else now >= limit
        return now == self.candidate

    def to_json(self) -> dict[str, Any]:
        """Return its entry; an axis that may be anything is null."""
        values = {name: getattr(self, name) for name in _KEYS}
        return {**self.case.to_json(), **values, "outcome": str(self.outcome), "labels": dict(self.labels)}


def read_accepted(folder: Path) -> list[Acceptance]:
    """Return what was accepted of a folder of implementations; raise UnreadableRun, naming file and key."""
    file = folder / ACCEPTED_JSON
    try:
        top = Node(str(file), json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableRun(f"{file}: {type(error).__name__}: {error}") from error
    if top["schema_version"].value != SCHEMA_VERSION:
        raise top["schema_version"].refusal(f"{SCHEMA_VERSION}, which this gradgauge reads")
    if top["accepted"].value is None:
        raise top["accepted"].refusal("a list")
    return [_acceptance(entry) for entry in top["accepted"].elements()]


def write_accepted(folder: Path, entries: Sequence[Acceptance]) -> None:
    """Add to what was accepted of a folder.

    Older entries about the same things go, and so do those of a technique whose code is not what the new ones are for.
    """
    replaced = {entry.thing for entry in entries}
    code = {(entry.case.function, entry.case.implementation): entry.code for entry in entries}
    kept = [
        entry
        for entry in read_accepted(folder)
        if entry.thing not in replaced
        and code.get((entry.case.function, entry.case.implementation), entry.code) == entry.code
    ]
    lines = sorted((entry.to_json() for entry in (*kept, *entries)), key=_order)
    keys = {"schema_version": SCHEMA_VERSION, "accepted": lines}
    text = json.dumps(keys, indent=1, allow_nan=False, ensure_ascii=False)
    (folder / ACCEPTED_JSON).write_text(text + "\n", encoding="utf-8")


def accept(findings: Sequence[Finding], reason: str, digest: Digest) -> list[Acceptance]:
    """Return an entry for each finding.

    Raises ValueError where there is no reason, or a finding that does not fail or that no code would let expire.
    """
    if not reason.strip():
        raise ValueError(f"reason {reason!r} says nothing: say why the change is right")
    return [_accepted(finding, reason.strip(), digest) for finding in findings]


def apply(
    findings: Sequence[Finding], acceptances: Sequence[Acceptance], digest: Digest
) -> tuple[list[Finding], list[str]]:
    """Return the findings, the accepted ones with the reason, and what to know of acceptances that hold no more."""
    applied, notes = [], dict[str, None]()
    for finding in findings:
        about = [entry for entry in acceptances if finding.outcome.fails and entry.is_about(finding)]
        valid = [entry for entry in about if entry.code == digest(entry.case.function, entry.case.implementation)]
        holds = [entry for entry in valid if entry.allows(finding)]
        applied.append(replace(finding, accepted=holds[0].reason) if holds else finding)
        for entry in [] if holds else about:
            why = "has expired: the code changed"
            if entry in valid:
                now = finding.ratio.value if finding.ratio else finding.candidate
                why = f"does not hold: it allows {_text(entry.candidate)}, this is {_text(now)}"
            notes[f"the acceptance of {entry} {why} ({entry.reason})"] = None
    return applied, list(notes)


def _accepted(finding: Finding, reason: str, digest: Digest) -> Acceptance:
    case = finding.case
    technique = f"{case.function} · {case.implementation}"
    if not finding.outcome.fails or not case.implementation:
        what = technique if case.implementation else "the session"
        raise ValueError(f"{what}: {finding.outcome} cannot be accepted, only what fails in an implementation can")
    code = digest(case.function, case.implementation)
    if not code and finding.outcome is not Outcome.REMOVED:
        raise ValueError(f"{technique}: no code of it was found, so its acceptance would never expire")
    was, now = finding.baseline, finding.candidate
    if finding.ratio:
        was, now = None, finding.ratio.value if finding.ratio.high is None else finding.ratio.high
    return Acceptance(
        finding.kind, finding.outcome, case, reason, code, finding.suite, finding.metric, finding.labels, was, now
    )


def _acceptance(entry: Node) -> Acceptance:
    for name in (*(axis.name.rstrip("_") for axis in fields(Case)), *_KEYS):
        if name not in dict(entry.items()):
            raise entry[name].refusal("a value or null")
    outcome = entry["outcome"].required_text()
    if outcome not in FAILING:
        raise entry["outcome"].refusal(f"one of {', '.join(FAILING)}")
    required = ("function", "implementation", "kind", "reason", *(["code"] if outcome != Outcome.REMOVED else []))
    for name in required:
        entry[name].required_text()
    return Acceptance(
        outcome=Outcome(outcome),
        case=read_case(entry),
        labels={name: label.text() for name, label in entry["labels"].items()},
        baseline=_value(entry["baseline"]),
        candidate=_value(entry["candidate"]),
        **{name: entry[name].text() for name in _WORDS},
    )


def _value(node: Node) -> float | str | None:
    if not isinstance(node.value, str):
        return node.number()
    if node.value not in tuple(Verdict):
        raise node.refusal(f"a number, null, or one of {', '.join(Verdict)}")
    return node.value


def _order(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(json.dumps(value) for value in entry.values())


def _text(value: float | str | None) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else f"{value:.6g}"
