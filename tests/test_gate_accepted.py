from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradgauge.cases import Case
from gradgauge.gate.accepted import ACCEPTED_JSON, Acceptance, accept, apply, read_accepted, write_accepted
from gradgauge.gate.findings import FAILING, Finding, Outcome, Ratio
from gradgauge.runs import UnreadableRun

CASE = Case("relu", "mine", "eager", "forward", "cpu", "float32", "8x8")
GONE = Case("relu", "mine", "", "", "", "", "", "")


def digest(function: str, implementation: str) -> str:
    return f"code of {function}/{implementation}"


def later(function: str, implementation: str) -> str:
    return f"other code of {function}/{implementation}"


def absent(function: str, implementation: str) -> str:
    return ""


def bytes_grew(candidate: float | str | None = 8, baseline: float | str | None = 4, **fields: Any) -> Finding:
    given: dict[str, Any] = {"suite": "memory", "metric": "saved_bytes", "unit": "byte", "case": CASE} | fields
    return Finding("exact", Outcome.WORSE, baseline=baseline, candidate=candidate, **given)


def slower(value: float, high: float | None) -> Finding:
    low = None if high is None else 2 * value - high
    ratio = Ratio(value, low, high, 1e-5, 0.03, 1e-6, 5, 50, 0.04)
    return Finding("time", Outcome.REGRESSION, CASE, suite="speed", metric="time", unit="ratio", ratio=ratio)


def removed() -> Finding:
    return Finding("implementation", Outcome.REMOVED, GONE, "its file is gone")


def reasons(finding: Finding, *accepted: Finding) -> str:
    findings, _ = apply([finding], accept(accepted, "why", digest), digest)
    return findings[0].accepted


def test_an_accepted_finding_has_the_reason_and_fails_no_more() -> None:
    worse = bytes_grew()
    findings, notes = apply([worse], accept([worse], " half the time ", digest), digest)
    assert findings == [replace(worse, accepted="half the time")]
    assert not findings[0].fails
    assert notes == []


@pytest.mark.parametrize(("candidate", "holds"), [(8, True), (6, True), (8.5, False), (None, False), ("fail", False)])
def test_a_number_is_allowed_up_to_the_accepted_one(candidate: float | str | None, holds: bool) -> None:
    assert reasons(bytes_grew(candidate), bytes_grew(8)) == ("why" if holds else "")


@pytest.mark.parametrize(("candidate", "holds"), [(2, True), (3, True), (1, False)])
def test_where_more_is_better_less_is_not_allowed(candidate: float, holds: bool) -> None:
    assert reasons(bytes_grew(candidate, 4), bytes_grew(2, 4)) == ("why" if holds else "")


def test_a_worse_number_than_the_accepted_one_is_told() -> None:
    worse = bytes_grew(9)
    findings, notes = apply([worse], accept([bytes_grew(8)], "why", digest), digest)
    assert findings == [worse]
    assert notes == [
        "the acceptance of relu · mine · eager · forward · saved_bytes does not hold: it allows 8, this is 9 (why)"
    ]


@pytest.mark.parametrize(
    ("candidate", "holds"), [("unsupported", True), ("fail", False), ("expected-fail", False), (None, False)]
)
def test_a_verdict_is_allowed_alone(candidate: str | None, holds: bool) -> None:
    assert reasons(bytes_grew(candidate, "pass"), bytes_grew("unsupported", "pass")) == ("why" if holds else "")


def test_no_longer_measured_is_allowed_as_that() -> None:
    assert reasons(bytes_grew(None, "measured"), bytes_grew(None, "measured")) == "why"
    assert not reasons(bytes_grew("fail", "pass"), bytes_grew(None, "measured"))


@pytest.mark.parametrize(
    ("accepted", "seen", "holds"),
    [
        (slower(1.10, 1.14), slower(1.13, 1.17), True),
        (slower(1.10, 1.14), slower(1.15, 1.19), False),
        (slower(1.10, None), slower(1.10, None), True),
        (slower(1.10, None), slower(1.11, None), False),
    ],
)
def test_a_time_is_allowed_up_to_the_upper_bound(accepted: Finding, seen: Finding, holds: bool) -> None:
    assert reasons(seen, accepted) == ("why" if holds else "")


def test_an_acceptance_ends_with_the_code() -> None:
    findings, notes = apply([bytes_grew()], accept([bytes_grew()], "why", digest), later)
    assert findings == [bytes_grew()]
    assert notes == [
        "the acceptance of relu · mine · eager · forward · saved_bytes has expired: the code changed (why)"
    ]


def test_an_expired_acceptance_is_not_told_where_another_one_holds() -> None:
    entries = [*accept([bytes_grew()], "old", later), *accept([bytes_grew()], "new", digest)]
    findings, notes = apply([bytes_grew()], entries, digest)
    assert (findings[0].accepted, notes) == ("new", [])


def test_a_removal_needs_no_code_and_ends_when_the_code_is_back() -> None:
    entries = accept([removed()], "nobody used it", absent)
    assert entries[0].code == ""
    assert apply([removed()], entries, absent)[0][0].accepted == "nobody used it"
    assert apply([removed()], entries, digest)[0][0].accepted == ""


@pytest.mark.parametrize(
    "other",
    [
        {"metric": "peak_bytes"},
        {"suite": "counters"},
        {"labels": {"input": "y"}},
        {"labels": {}},
        *({"case": replace(CASE, **{axis: "another"})} for axis in ("function", "implementation", "mode", "pass_")),
        *({"case": replace(CASE, **{axis: "another"})} for axis in ("device", "dtype", "shape", "layout")),
        {"case": replace(CASE, dtype="")},
        {"kind": "time"},
        {"outcome": Outcome.CANDIDATE_FAILS},
    ],
    ids=str,
)
def test_nothing_else_is_accepted_with_it(other: dict[str, Any]) -> None:
    accepted = bytes_grew(labels={"input": "x"})
    assert reasons(accepted, accepted) == "why"
    entries = [replace(accept([accepted], "why", digest)[0], code="same")]
    assert apply([replace(accepted, **other)], entries, lambda *_: "same") == ([replace(accepted, **other)], [])


def test_an_empty_axis_stands_for_any() -> None:
    wide = bytes_grew(case=replace(CASE, dtype="", shape=""))
    assert reasons(bytes_grew(), wide) == "why"
    assert not reasons(wide, bytes_grew())


def test_what_does_not_fail_stays_as_it_is() -> None:
    better = replace(bytes_grew(), outcome=Outcome.BETTER)
    entries = [replace(entry, outcome=Outcome.BETTER) for entry in accept([bytes_grew()], "why", digest)]
    assert apply([better], entries, digest) == ([better], [])


@pytest.mark.parametrize("reason", ["", " \n"])
def test_a_reason_is_needed(reason: str) -> None:
    with pytest.raises(ValueError, match="says nothing"):
        accept([bytes_grew()], reason, digest)


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome not in FAILING])
def test_only_what_fails_can_be_accepted(outcome: Outcome) -> None:
    with pytest.raises(ValueError, match=rf"relu · mine: {outcome} cannot be accepted"):
        accept([replace(bytes_grew(), outcome=outcome)], "why", digest)


def test_a_session_that_measured_nothing_cannot_be_accepted() -> None:
    nothing = Finding("session", Outcome.NOTHING_MEASURED, Case("", "", "", "", "", "", "", ""))
    with pytest.raises(ValueError, match="the session: nothing-measured cannot be accepted"):
        accept([nothing], "why", digest)


def test_what_no_change_of_code_would_end_cannot_be_accepted() -> None:
    with pytest.raises(ValueError, match="relu · mine: no code of it was found"):
        accept([bytes_grew()], "why", absent)


ALL = [bytes_grew(labels={"input": "x"}), bytes_grew("fail", "pass", metric="vmap"), slower(1.1, 1.14)]


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    entries = [*accept(ALL, "it is — clearer", digest), *accept([removed()], "unused", absent)]
    write_accepted(tmp_path, entries)
    assert sorted(map(str, read_accepted(tmp_path))) == sorted(map(str, entries))
    assert all(entry in read_accepted(tmp_path) for entry in entries)


def test_the_file_is_readable_and_its_order_is_no_accident(tmp_path: Path) -> None:
    entries = accept([*ALL, bytes_grew(case=replace(CASE, implementation="another"))], "clearer — π", digest)
    write_accepted(tmp_path, entries)
    text = (tmp_path / ACCEPTED_JSON).read_text(encoding="utf-8")
    assert '\n   "implementation": "mine",\n' in text
    assert "clearer — π" in text
    assert text.endswith("\n")
    assert text.index('"another"') < text.index('"mine"')
    (tmp_path / ACCEPTED_JSON).unlink()
    write_accepted(tmp_path, entries[::-1])
    assert (tmp_path / ACCEPTED_JSON).read_text(encoding="utf-8") == text


def test_an_axis_that_may_be_anything_is_null(tmp_path: Path) -> None:
    write_accepted(tmp_path, accept([bytes_grew(case=replace(CASE, pass_="", dtype=""))], "why", digest))
    entry = json.loads((tmp_path / ACCEPTED_JSON).read_text(encoding="utf-8"))["accepted"][0]
    assert (entry["pass"], entry["dtype"], entry["mode"]) == (None, None, "eager")


def test_a_newer_acceptance_replaces_the_older_one_about_the_same_thing(tmp_path: Path) -> None:
    write_accepted(tmp_path, accept([bytes_grew(8), bytes_grew(8, metric="peak_bytes")], "first", digest))
    write_accepted(tmp_path, accept([bytes_grew(16)], "second", digest))
    assert [(entry.metric, entry.candidate, entry.reason) for entry in read_accepted(tmp_path)] == [
        ("peak_bytes", 8, "first"),
        ("saved_bytes", 16, "second"),
    ]


def test_what_expired_goes_with_the_next_acceptance_of_that_technique(tmp_path: Path) -> None:
    other = bytes_grew(case=replace(CASE, implementation="other"))
    write_accepted(tmp_path, accept([bytes_grew(), other], "first", digest))
    write_accepted(tmp_path, accept([bytes_grew(metric="peak_bytes")], "second", later))
    assert [str(entry) for entry in read_accepted(tmp_path)] == [
        "relu · mine · eager · forward · peak_bytes",
        "relu · other · eager · forward · saved_bytes",
    ]


def test_what_was_accepted_at_once_about_one_thing_stays_together(tmp_path: Path) -> None:
    entries = accept([bytes_grew(8, 4), bytes_grew(32, 16)], "why", digest)
    write_accepted(tmp_path, entries)
    assert {entry.candidate for entry in read_accepted(tmp_path)} == {8, 32}


def test_where_nothing_was_accepted_there_is_no_file(tmp_path: Path) -> None:
    assert read_accepted(tmp_path) == []
    assert read_accepted(tmp_path / "nowhere") == []


def broken(tmp_path: Path, **keys: Any) -> Path:
    write_accepted(tmp_path, accept([bytes_grew()], "why", digest))
    file = tmp_path / ACCEPTED_JSON
    top = json.loads(file.read_text(encoding="utf-8"))
    top["accepted"][0] |= keys
    file.write_text(json.dumps(top), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("reason", "", "a string that says something"),
        ("reason", None, "a string that says something"),
        ("code", "", "a string that says something"),
        ("function", None, "a string that says something"),
        ("implementation", "", "a string that says something"),
        ("outcome", "better", "one of regression, worse"),
        ("dtype", 32, "a string"),
        ("labels", ["x"], "an object"),
        ("candidate", "splendid", "a number, null, or one of measured, pass"),
        ("candidate", float("nan"), "a finite number"),
        ("baseline", True, "a number"),
    ],
)
def test_a_broken_entry_is_refused_with_its_key(key: str, value: Any, expected: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableRun, match=rf"accepted\.json: accepted\[0\].*{key}: .*expected {expected}"):
        read_accepted(broken(tmp_path, **{key: value}))


@pytest.mark.parametrize("key", ["candidate", "pass", "labels", "metric", "code"])
def test_a_missing_key_is_refused(key: str, tmp_path: Path) -> None:
    file = broken(tmp_path) / ACCEPTED_JSON
    top = json.loads(file.read_text(encoding="utf-8"))
    del top["accepted"][0][key]
    file.write_text(json.dumps(top), encoding="utf-8")
    with pytest.raises(UnreadableRun, match=rf"accepted\[0\].*{key}: missing"):
        read_accepted(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"accepted\.json: JSONDecodeError"),
        ("[]", "an object"),
        ('{"schema_version": 2, "accepted": []}', "schema_version: int 2, expected 1"),
        ('{"schema_version": 1, "accepted": {}}', "accepted: dict .*, expected a list"),
        ('{"schema_version": 1}', "accepted: missing, expected a list"),
    ],
)
def test_a_broken_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / ACCEPTED_JSON).write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableRun, match=message):
        read_accepted(tmp_path)


def test_a_broken_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / ACCEPTED_JSON).write_text("{", encoding="utf-8")
    with pytest.raises(UnreadableRun):
        write_accepted(tmp_path, accept([bytes_grew()], "why", digest))
    assert (tmp_path / ACCEPTED_JSON).read_text(encoding="utf-8") == "{"


def test_an_acceptance_says_what_it_is_about() -> None:
    entry = Acceptance("implementation", Outcome.REMOVED, GONE, "unused", "")
    assert str(entry) == "relu · mine"
