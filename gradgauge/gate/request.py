"""What a gate is asked for, and where it lies on disk (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from gradgauge.bench import Request
from gradgauge.catalog import builtin_folder
from gradgauge.gate.limits import Limits
from gradgauge.gate.pair_job import Technique
from gradgauge.grid import Selection
from gradgauge.timing import Timing

DECIDE, REPORT, OFF = "decide", "report", "off"
TIMES = (DECIDE, REPORT, OFF)


@dataclass(frozen=True)
class GateRequest:
    """What the user asked for, checked.

    base: a revision, empty for the usual one. stored: the folder of a stored run in place of a revision.
    folders: the implementations folders that are gated; empty for the built-in ones of this checkout.
    selection: which cases; its suites are not looked at. budget_s: seconds of rounds a case at most.
    times: whether they decide, are only reported, or are not taken. everything: also what is the same in both, byte for
    byte.
    """

    base: str
    stored: Path | None
    folders: tuple[Path, ...]
    selection: Selection
    preset: str
    limits: Limits
    budget_s: float
    results: Path
    seed: int
    threads: int | None
    timeout_s: float
    times: str
    everything: bool

    @property
    def gated(self) -> tuple[Path, ...]:
        """Return the folders whose implementations are judged."""
        return self.folders or (builtin_folder("implementations"),)

    def roots(self, folders: tuple[Path, ...]) -> tuple[str, ...]:
        """Return where a side reads functions from, given where its gated folders lie."""
        ours = (str(builtin_folder("implementations")),) if self.folders else ()
        return (*ours, *map(str, folders))

    def run(self, folders: tuple[Path, ...], techniques: list[Technique]) -> Request:
        """Return what measures these techniques of one side without a clock."""
        chosen = replace(
            self.selection,
            suites=(),
            functions=tuple(dict.fromkeys(function for function, _ in techniques)),
            implementations=tuple(dict.fromkeys(name for _, name in techniques)),
        )
        return Request(
            self.preset,
            None,
            chosen,
            folders if self.folders else (),
            bool(self.folders),
            self.results,
            self.seed,
            self.threads,
            Timing(),
            self.timeout_s,
            fresh_cache=False,
            builtin=None if self.folders else folders[0],
            clockless=True,
        )

    def wants(self, technique: Technique) -> bool:
        """Whether the user's choice leaves a technique in."""
        function, name = technique
        chosen = self.selection
        return (not chosen.functions or function in chosen.functions) and (
            not chosen.implementations or name in chosen.implementations
        )
