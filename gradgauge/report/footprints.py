"""What a recommendation costs in memory, in a few words."""

from __future__ import annotations

from dataclasses import dataclass

from gradgauge.records import Record
from gradgauge.report.advice import shortlist
from gradgauge.report.data import RunData
from gradgauge.report.formatting import size
from gradgauge.report.kept import EXTRA, SAVED
from gradgauge.report.places import Place
from gradgauge.report.ranking import Recommendation
from gradgauge.report.tables.memory import PEAK

_MOST_NAMES = 2
# (where, technique, metric, pass, shape) → bytes.
_Key = tuple[Place, str, str, str, str]


@dataclass(frozen=True)
class Footprint:
    """Bytes for each element of the output. kept: for the backward, None without one; extra: of it, if known."""

    technique: str
    kept: float | None
    extra: float | None
    peak: float | None

    @property
    def text(self) -> str:
        """Return it in words: what is kept and how much of it extra; the peak where nobody knows what is kept.

        >>> Footprint("a", 8, 4, 12).text, Footprint("a", 4, 0, 8).text, Footprint("a", None, None, 4).text
        ('8 B kept, 4 B of it extra', '4 B kept, none extra', '4 B at the peak')
        """
        if self.kept is None:
            return "" if self.peak is None else f"{size(self.peak)} at the peak"
        if not self.kept or self.extra is None:
            return f"{size(self.kept)} kept" if self.kept else "nothing kept"
        share = "all" if self.extra == self.kept else f"{size(self.extra)} of it" if self.extra else "none"
        return f"{size(self.kept)} kept, {share} extra"


@dataclass(frozen=True)
class Footprints:
    """Every figure of memory that the run holds, by where, what and of which size."""

    bytes_of: dict[_Key, float]
    elements: dict[tuple[str, str], int]

    @classmethod
    def of(cls, run: RunData) -> Footprints:
        """Return what the run measured of memory."""
        records = [record for metric in (SAVED, EXTRA, PEAK) for record in run.measured("memory", metric)]
        known = [record for record in records if record.value is not None]
        sizes = {(record.case.function, record.case.shape): run.elements(record.case) for record in known}
        return cls(
            {_key(record): float(record.value) for record in known if record.value is not None},
            {shape: elements for shape, elements in sizes.items() if elements},
        )

    def of_advice(self, advice: Recommendation) -> list[Footprint]:
        """Return a footprint for each recommended technique of which one is known, at the largest shape covered."""
        place, shape = advice.place, advice.rankings[-1].shape
        where = Place(place.function, place.device, place.dtype, place.layout)
        elements = self.elements.get((place.function, shape))
        if not elements:
            return []

        def each(technique: str, metric: str, pass_: str) -> float | None:
            value = self.bytes_of.get((where, technique, metric, pass_, shape))
            return None if value is None else value / elements

        is_training = advice.purpose == "training"
        found = [
            Footprint(
                name,
                each(name, SAVED, "forward") if is_training else None,
                each(name, EXTRA, "forward") if is_training else None,
                each(name, PEAK, advice.rankings[0].pass_),
            )
            for name in advice.names
        ]
        return [each_one for each_one in found if each_one.text]


def in_words(found: list[Footprint]) -> str:
    """Return what the recommended cost: alike, in one figure; else the range, and who is content with least.

    >>> in_words([Footprint("a", 8, 4, 12), Footprint("b", 4, 0, 8), Footprint("c", 4, 0, 8)])
    '4 B kept, none extra (b, c) to 8 B kept, 4 B of it extra'
    """
    texts = dict.fromkeys(one.text for one in found)
    if len(texts) < 2:
        return next(iter(texts), "")
    ordered = sorted(found, key=lambda one: (one.kept or 0, one.extra or 0, one.peak or 0))
    least, most = ordered[0].text, ordered[-1].text
    names = shortlist([one.technique for one in ordered if one.text == least], _MOST_NAMES)
    return f"{least} ({', '.join(names)}) to {most}"


def _key(record: Record) -> _Key:
    case = record.case
    return Place.of_case(case), case.technique, record.metric, case.pass_, case.shape
