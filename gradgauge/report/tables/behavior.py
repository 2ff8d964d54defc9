"""Where each technique can be used: a row for each, a column for each check, and the reasons below."""

from __future__ import annotations

from collections.abc import Mapping

from gradgauge.records import Verdict
from gradgauge.report.behavior import Matrix, Reason
from gradgauge.report.blocks import Bullets, Cell, Code, Column, Inline, Mark, Table, Text, Tone, mark, tone_of
from gradgauge.report.formatting import listed, superscript

_LOUD: dict[Verdict | None, Tone] = {Verdict.UNSUPPORTED: "neutral", Verdict.UNAVAILABLE: "neutral"}


def matrix_table(matrix: Matrix, asks: Mapping[str, str]) -> Table:
    """Return techniques × checks, less those that apply to none; a number beside a mark is that of its reason."""
    columns = (Column("Technique"), *(Column(check, hint=asks.get(check, "")) for check in matrix.asked))
    rows = tuple(
        (Cell((technique,)), *(_cell(matrix, technique, check) for check in matrix.asked))
        for technique in matrix.techniques
    )
    return Table(columns, rows, is_dense=True, is_upright=True)


def reasons_table(matrix: Matrix) -> Table | None:
    """Return every reason for what is wrong or unsupported, with the cells that it concerns; None without any."""
    rows = tuple(
        (
            Cell((f"{superscript(reason.number)}\u00a0", mark(reason.verdict)), tone=tone_of(reason.verdict)),
            Cell((reason.text,), note=_only(reason)),
            Cell(_concerns(reason)),
        )
        for reason in matrix.reasons
    )
    return Table((Column("Verdict"), Column("Reason"), Column("Concerns")), rows) if rows else None


def remarks(reasons: tuple[Reason, ...]) -> Bullets:
    """Return what is worth saying of other cells."""
    return Bullets(tuple((*_concerns(reason), f" — {reason.text}{_in_words(reason)}") for reason in reasons))


def _cell(matrix: Matrix, technique: str, check: str) -> Cell:
    spot = matrix.spot(technique, check)
    reason = matrix.reason_of(spot)
    tone: Tone = "plain" if spot.verdict in (None, Verdict.PASS) else _LOUD.get(spot.verdict, tone_of(spot.verdict))
    shown = Mark(spot.symbol, "", "good" if spot.verdict is Verdict.PASS else tone)
    number: Text = (superscript(reason.number),) if reason else ()
    said = f"{technique}, {check}: {spot.verdict or 'not tried'}{f': {reason.text}' if reason else ''}"
    return Cell((shown, *number), tone=tone, hint=said)


def _concerns(reason: Reason) -> Text:
    said: list[Inline] = []
    for checks, techniques in reason.concerns:
        said.append("; " if said else "")
        for index, check in enumerate(checks):
            said += [", " if index else "", Code(check)]
        said.append(f": {techniques}")
    return tuple(part for part in said if part)


def _only(reason: Reason) -> str:
    return f"in {listed(list(reason.dtypes))} only" if reason.dtypes else ""


def _in_words(reason: Reason) -> str:
    return f" ({_only(reason)})" if reason.dtypes else ""
