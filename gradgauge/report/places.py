"""Where techniques are compared with each other: a device, a dtype, a layout, a way of timing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gradgauge.cases import Case
from gradgauge.records import Record
from gradgauge.report.labels import WALL_CLOCK, Labels, explanation, odd_labels, odd_protocol, usual_clock, words


@dataclass(frozen=True)
class Place:
    """All of a block but its shape. labels: the odd ones; clock: the one that the records name, blank in older runs."""

    function: str
    device: str
    dtype: str
    layout: str
    labels: Labels = ()
    clock: str = field(default="", compare=False)

    @classmethod
    def of(cls, record: Record) -> Place:
        """Return the place that a record belongs to."""
        case = record.case
        return cls(
            case.function, case.device, case.dtype, case.layout, odd_labels(record), record.labels.get("clock", "")
        )

    @classmethod
    def of_case(cls, case: Case) -> Place:
        """Return the place of what no way of timing tells apart: counts, bytes, profiles."""
        return cls(case.function, case.device, case.dtype, case.layout)

    @property
    def title(self) -> str:
        """Return the place without its function, what is usual unsaid: `cpu · float32`, `cuda:0 · float32`."""
        return " · ".join(part for part in (*self._axes, words(self.labels)) if part)

    @property
    def heading(self) -> str:
        """Return the title with the clock of an accelerator and what a label means.

        Such as `cuda:0 · float32 · wall clock: what a Python caller waits for`.
        """
        said = self._with_clock
        meaning = explanation(said)
        return " · ".join(part for part in (*self._axes, words(said)) if part) + (f": {meaning}" if meaning else "")

    @property
    def basis(self) -> str:
        """Return by which clock of an accelerator a finding holds, in words; nothing where there is but one."""
        if usual_clock(self.device) == "wall":
            return ""
        return {"device": "by device time", "wall": "as a Python caller waits"}.get(self.clock, "")

    @property
    def finding_title(self) -> str:
        """Return the title for a finding: `cuda:0 · float32, as a Python caller waits`."""
        where = (self.whatever_clock if self.basis else self).title
        return ", ".join(part for part in (where, self.basis) if part)

    @property
    def odd_protocol(self) -> Labels:
        """Return what is odd in how it was timed: on an accelerator, both clocks are usual."""
        return odd_protocol(self.labels)

    @property
    def is_usual(self) -> bool:
        """Whether it was timed as usual or, on an accelerator, as usual but by the wall clock."""
        return not self.odd_protocol

    @property
    def setting(self) -> Place:
        """Return the place with all that is odd in how it was timed left open."""
        return replace(self, labels=tuple(label for label in self.labels if label not in self.odd_protocol))

    @property
    def whatever_clock(self) -> Place:
        """Return the place with the clock of an accelerator left open."""
        return replace(self, labels=tuple(label for label in self.labels if label != WALL_CLOCK), clock="")

    @property
    def measured_clock(self) -> str:
        """Return the clock: the one that the records name, or else the usual one."""
        return self.clock or usual_clock(self.device)

    @property
    def protocol(self) -> str:
        """Return the protocol of the backward pass."""
        return dict(self.labels).get("protocol", "fresh")

    @property
    def whatever_protocol(self) -> Place:
        """Return the place with the protocol of the backward pass left open."""
        return replace(self, labels=tuple(label for label in self.labels if label[0] != "protocol"))

    @property
    def _axes(self) -> tuple[str, ...]:
        return self.device, self.dtype, "" if self.layout == "contiguous" else self.layout

    @property
    def _with_clock(self) -> Labels:
        is_told = usual_clock(self.device) == "device" and self.clock == "device"
        return (("clock", "device"), *self.labels) if is_told else self.labels


def places(records: list[Record], functions: list[str]) -> dict[Place, bool]:
    """Return where records were measured, in the functions' order, and whether a figure is drawn of it.

    Layouts and labels of one function, device, dtype and clock share a figure's worth: the first, the usual one if
    it is there. Records of no function have no place.
    """
    found = list(dict.fromkeys(Place.of(record) for record in records if record.case.function))
    machines = list(dict.fromkeys((place.device, place.dtype) for place in found))
    found.sort(
        key=lambda place: (
            functions.index(place.function),
            machines.index((place.device, place.dtype)),
            len(place.labels),
            place.layout not in ("contiguous", ""),
        )
    )
    drawn: dict[tuple[str, str, str, str], Place] = {}
    for place in found:
        drawn.setdefault((place.function, place.device, place.dtype, place.measured_clock), place)
    return {place: place in drawn.values() for place in found}
