"""What a gate found, in words: shared by the terminal, the comment, JUnit and the report (no torch)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gradgauge.cases import Case
from gradgauge.gate.findings import Finding, Gate, Outcome, Ratio, Settings, Status
from gradgauge.records import Record, Verdict
from gradgauge.report import formatting
from gradgauge.report.labels import odd_labels
from gradgauge.report.labels import words as labels_in_words
from gradgauge.report.reading import clean

OUTCOMES: Mapping[Outcome, str] = {
    Outcome.REGRESSION: "slower",
    Outcome.WORSE: "worse",
    Outcome.REMOVED: "removed",
    Outcome.CANDIDATE_FAILS: "fails now",
    Outcome.NOTHING_MEASURED: "nothing measured",
    Outcome.CANNOT_TELL: "cannot tell",
    Outcome.BOTH_FAIL: "fails in both",
    Outcome.BASELINE_UNUSABLE: "baseline unusable",
    Outcome.BASELINE_FAILS: "runs now",
    Outcome.RENAMED: "renamed",
    Outcome.NEW: "new",
    Outcome.IMPROVEMENT: "faster",
    Outcome.BETTER: "better",
    Outcome.NO_REGRESSION: "not slower",
    Outcome.UNCHANGED: "unchanged",
}
_STATUSES = {Status.PASSED: "passed", Status.FAILED: "failed", Status.CANNOT_TELL: "cannot tell"}
# One of them, several of them; what concerns the session as a whole is never counted.
_COUNTED: Mapping[Outcome, tuple[str, str]] = {
    Outcome.REGRESSION: ("regression", "regressions"),
    Outcome.CANDIDATE_FAILS: ("fails in the candidate alone", "fail in the candidate alone"),
    Outcome.CANNOT_TELL: ("still open", "still open"),
    Outcome.BOTH_FAIL: ("fails in both", "fail in both"),
    Outcome.BASELINE_FAILS: ("runs that did not", "run that did not"),
}
_WHOLE = {
    Outcome.NOTHING_MEASURED: "nothing was measured",
    Outcome.BASELINE_UNUSABLE: "the baseline cannot be used",
}
_TIMES_FROM = 10.0
"""The ratio from which a change reads as a factor rather than in percent."""


def one_line(text: str) -> str:
    r"""Return the text in one line, with what no terminal or file should be given replaced by U+FFFD.

    >>> one_line("a\n  b\x1b[31m")
    'a b�[31m'
    """
    return " ".join(clean(text).split())


def case_in_words(case: Case) -> str:
    """Return the axes that are filled, but for the usual layout: `relu · where · compiled · forward · cpu`."""
    axes = [value for value in vars(case).values() if value and value != "contiguous"]
    return one_line(" · ".join(axes))


def told_apart(findings: Sequence[Finding]) -> tuple[str, list[str]]:
    """Return the axes that all of the cases share, and each case by the others; a case alone keeps all of its axes."""
    axes = [vars(finding.case) for finding in findings]
    shared = {name for name in axes[0] if len({found[name] for found in axes}) == 1} if len(axes) > 1 else set()
    blank = dict.fromkeys(shared, "")
    labels = [
        " · ".join(filter(None, (case_in_words(replace(finding.case, **blank)), _labels(finding))))
        for finding in findings
    ]
    if not all(labels):  # nothing but their labels or less sets them apart
        return "", [subject(finding) for finding in findings]
    rest = {name: "" for name in vars(findings[0].case) if name not in shared} if findings else {}
    return (case_in_words(replace(findings[0].case, **rest)) if findings else ""), labels


def subject(finding: Finding) -> str:
    """Return what a finding is about: its metric with its labels, and its case; `the session` where it has neither."""
    labels = _labels(finding)
    parts = [case_in_words(finding.case), labels]
    if finding.kind == "exact":
        parts = [f"{finding.metric}{f' ({labels})' if labels else ''}", case_in_words(finding.case)]
    return one_line(" · ".join(filter(None, parts))) or "the session"


def change(ratio: float) -> str:
    """Return how much longer the candidate takes, signed; a factor where it is many times.

    >>> change(1.102), change(0.95), change(1.0), change(0.99999), change(12.34)
    ('+10.2 %', '−5.0 %', '±0.0 %', '±0.0 %', '12.3×')
    """
    return formatting.ratio(ratio) if ratio >= _TIMES_FROM else f"{_hundredths(ratio)} %"


def change_interval(ratio: Ratio) -> str:
    """Return the interval of the change, `[+8.1, +12.4]`, in percent as the change is; nothing where there is none."""
    if ratio.low is None or ratio.high is None:
        return ""
    if max(ratio.value, ratio.high) >= _TIMES_FROM:
        return f"[{change(ratio.low)}, {change(ratio.high)}]"
    return f"[{_hundredths(ratio.low)}, {_hundredths(ratio.high)}]"


def limit_of(ratio: Ratio) -> float:
    """Return the share by which the candidate may be slower: the tolerance, or the floor where that is more."""
    return max(ratio.tolerance, ratio.floor_s / ratio.baseline_s if ratio.baseline_s > 0 else 0.0)


def limit_in_words(ratio: Ratio) -> str:
    """Return what a change is held against: `3 %`, or `12 % (floor 1.00 µs)` where the floor is what decides."""
    limit = limit_of(ratio)
    floor = f" (floor {formatting.time(ratio.floor_s)})" if limit > ratio.tolerance else ""
    return f"{formatting.percent(limit)}{floor}"


def ratio_in_words(ratio: Ratio) -> str:
    """Return `+10.2 % [+8.1, +12.4] against 3 %`."""
    interval = change_interval(ratio) or "(no interval)"
    return f"{change(ratio.value)} {interval} against {limit_in_words(ratio)}"


def before_after(finding: Finding) -> tuple[str, str]:
    """Return what the baseline and the candidate hold, a dash where a side has nothing; two that differ look so."""
    if finding.ratio:
        times_s = (finding.ratio.baseline_s, finding.ratio.baseline_s * finding.ratio.value)
        return formatting.time(times_s[0]), formatting.time(times_s[1])
    before, after = (_value(value, finding.unit) for value in (finding.baseline, finding.candidate))
    if before == after and finding.baseline != finding.candidate:
        return one_line(f"{finding.baseline} {finding.unit}"), one_line(f"{finding.candidate} {finding.unit}")
    return before, after


def change_in_words(finding: Finding) -> str:
    """Return what changed by how much: of a time with its interval, of a figure in percent; else nothing."""
    if finding.ratio:
        return f"{change(finding.ratio.value)} {change_interval(finding.ratio)}".strip()
    before, after = finding.baseline, finding.candidate
    if isinstance(before, str) or isinstance(after, str) or not before or after is None:
        return ""
    return change(after / before) if before > 0 and after >= 0 else ""


def finding_line(finding: Finding) -> str:
    """Return a finding in one line: `slower: +10.2 % [+8.1, +12.4] against 3 % · relu · where · forward`."""
    outcome = OUTCOMES[finding.outcome]
    said = ratio_in_words(finding.ratio) if finding.ratio else ""
    if not said and (finding.baseline is not None or finding.candidate is not None):
        before, after = before_after(finding)
        said = f"{before} → {after}"
    accepted = f" (accepted: {finding.accepted})" if finding.accepted else ""
    detail = f" — {finding.detail}" if finding.detail else ""
    return one_line(f"{outcome}: {f'{said} · ' if said else ''}{subject(finding)}{detail}{accepted}")


def sides_in_words(gate: Gate) -> str:
    """Return what was compared with what: `working tree (1a2b3c4d5e, with uncommitted changes) against main (…)`."""
    return one_line(f"{gate.candidate} against {gate.baseline}")


def headline(gate: Gate) -> str:
    """Return what the gate comes to: `failed: 2 regressions, 1 worse`."""
    failing = _counts([finding for finding in gate.findings if finding.fails])
    still_open = _counts([finding for finding in gate.findings if finding.outcome.is_open])
    accepted = sum(1 for finding in gate.findings if finding.accepted and finding.outcome.fails)
    said = [", ".join(counts) for counts in (failing, still_open) if counts]
    if gate.status is Status.PASSED:
        said = _passed(gate)
    if accepted:
        said.append(f"{accepted} accepted")
    return f"{_STATUSES[gate.status]}: {'; '.join(said) or 'nothing was compared'}"


def settings_in_words(settings: Settings) -> tuple[str, ...]:
    """Return how it was decided, a sentence each."""
    confidence = formatting.number(float(f"{100 * settings.confidence:.6g}"))
    looks = formatting.listed([str(look) for look in settings.looks]) if settings.looks else "no"
    longer = f"{formatting.percent(settings.tolerance)} and more than {formatting.time(settings.floor_s)}"
    budget, slice_ = formatting.duration(settings.budget_s), formatting.duration(settings.slice_s)
    together = f"With {confidence} % confidence all intervals together, at every look, hold the true ratios."
    slower = (
        f"Slower is what takes more than {longer} longer with its whole interval; a case may have limits of its own."
    )
    spent = f"Each case had at most {budget} of rounds, {slice_} in each process; looked at after {looks} processes."
    return together, slower, spent


def seconds_in_words(gate: Gate) -> str:
    """Return what the time went into: `2 min 5 s: timing 1 min 50 s, checking 15.0 s`; nothing where it is unknown."""
    parts = [f"{one_line(name)} {formatting.duration(value_s)}" for name, value_s in gate.seconds.items()]
    return f"{formatting.duration(sum(gate.seconds.values()))}: {', '.join(parts)}" if parts else ""


def _labels(finding: Finding) -> str:
    # odd_labels asks a record, and needs of it no more than a finding has.
    record = Record(finding.suite, finding.case, "", None, "", Verdict.MEASURED, labels=finding.labels)
    return one_line(labels_in_words(odd_labels(record)))


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings in the order of their outcomes, and within one the slowest first."""
    rank = {outcome: index for index, outcome in enumerate(Outcome)}
    return sorted(findings, key=lambda finding: (rank[finding.outcome], -(finding.ratio.value if finding.ratio else 0)))


def alike(gate: Gate) -> int:
    """Return how many figures and verdicts were compared exactly and are the same."""
    changed = [finding for finding in gate.of(Outcome.WORSE, Outcome.BETTER) if finding.kind == "exact"]
    return max(0, gate.compared - len(changed))


def _hundredths(ratio: float) -> str:
    shown = f"{100 * (ratio - 1):+.1f}"
    return f"±{shown[1:]}" if float(shown) == 0 else shown.replace("-", "−")


def _value(value: float | str | None, unit: str) -> str:
    return one_line(value) if isinstance(value, str) else formatting.quantity(value, unit)


def _counts(findings: Sequence[Finding]) -> list[str]:
    """Return how many there are of each outcome, in the order in which outcomes are declared."""
    said = []
    for outcome in Outcome:
        count = sum(1 for finding in findings if finding.outcome is outcome)
        words = _COUNTED.get(outcome, (OUTCOMES[outcome], OUTCOMES[outcome]))
        if count:
            said.append(_WHOLE.get(outcome) or formatting.plural(count, *words))
    return said


def _passed(gate: Gate) -> list[str]:
    timed = gate.times()
    said = []
    if timed:
        slower = sum(1 for finding in timed if finding.outcome is Outcome.REGRESSION)
        faster = sum(1 for finding in timed if finding.outcome is Outcome.IMPROVEMENT)
        words = [formatting.plural(len(timed), "case"), f"{slower or 'none'} slower"]
        said.append(", ".join([*words, *([f"{faster} faster"] if faster else [])]))
    if alike(gate):
        said.append(formatting.plural(alike(gate), "figure or verdict alike", "figures and verdicts alike"))
    rest = (Outcome.BETTER, Outcome.BASELINE_FAILS, Outcome.RENAMED, Outcome.NEW, Outcome.UNCHANGED)
    counted = _counts(gate.of(*rest))
    return [*said, *([", ".join(counted)] if counted else [])]
