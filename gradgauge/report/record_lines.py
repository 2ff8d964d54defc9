"""Lines of records.jsonl into records, each looked at before it is believed.

A line that is as it should be is seen to be so at a glance; of any other each key is read by itself, which names the
one that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

from gradgauge.records import Record, Verdict
from gradgauge.report.description import case_at_a_glance, read_case
from gradgauge.report.reading import Node, as_number, is_printable
from gradgauge.runs import UnreadableRun

_VERDICTS = {str(verdict): verdict for verdict in Verdict}
_TEXTS = itemgetter("suite", "metric", "unit", "detail")
_NUMBERS = itemgetter("value", "low", "high", "samples")
_MOST_SAID = 240


def read_records(path: Path, lines: Iterable[tuple[int, dict[str, Any]]]) -> tuple[Record, ...]:
    """Return the records of a file's lines with their numbers. Raises UnreadableRun naming file, line and key.

    What one line says another may not: which of the two figures is true, nobody could tell.
    """
    records, seen = list[Record](), dict[tuple[object, ...], int]()
    for number, line in lines:
        record = _at_a_glance(line) or _key_by_key(Node(f"{path}:{number}", line))
        if record.low is not None and record.high is not None and record.low > record.high:
            raise UnreadableRun(f"{path}:{number}: low {record.low!r} is above high {record.high!r}")
        # A crash stands beside what was recorded before it, under the suite's first metric, and is no repetition.
        if record.verdict is not Verdict.CRASHED:
            identity = (record.suite, record.case, record.metric, *sorted(record.labels.items()))
            earlier = seen.setdefault(identity, number)
            if earlier != number:
                raise UnreadableRun(f"{path}:{number}: the same {_named(record)} as in line {earlier}, expected once")
        records.append(record)
    return tuple(records)


def _at_a_glance(line: dict[str, Any]) -> Record | None:
    """Return the record of a line of which every key is there and as it is written; None where one is not."""
    try:
        suite, metric, unit, detail = texts = _TEXTS(line)
        numbers = _NUMBERS(line)
        labels, verdict, case = line["labels"], _VERDICTS[line["verdict"]], case_at_a_glance(line)
        said = "".join((*texts, *labels, *labels.values()))
    except (KeyError, TypeError, AttributeError):
        return None
    value, low, high, samples = numbers
    if case is None or not suite or not metric or not is_printable(said):
        return None
    if not all(number is None or as_number(number) is number for number in numbers):
        return None
    if samples is not None and (type(samples) is not int or samples < 0):
        return None
    return Record(suite, case, metric, value, unit, verdict, detail, low, high, samples, labels)


def _key_by_key(line: Node) -> Record:
    verdict = line["verdict"].required_text()
    if verdict not in _VERDICTS:
        raise line["verdict"].refusal(f"one of {', '.join(_VERDICTS)}")
    return Record(
        suite=line["suite"].required_text(),
        case=read_case(line),
        metric=line["metric"].required_text(),
        value=line["value"].number(),
        unit=line["unit"].text(),
        verdict=_VERDICTS[verdict],
        detail=line["detail"].text(),
        low=line["low"].number(),
        high=line["high"].number(),
        samples=line["samples"].count(),
        labels={key: label.text() for key, label in line["labels"].items()},
    )


def _named(record: Record) -> str:
    labels = [f"{key}={value}" for key, value in record.labels.items()]
    said = " · ".join([record.suite, record.case.slug, record.metric, *labels])
    return " ".join(said.split())[:_MOST_SAID]
