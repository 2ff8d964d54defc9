"""Runs whose times may stand in one sequence: those of one machine, used alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradgauge.report.sections.environment import flatten
from gradgauge.report.trend.reading import Stored

_HARDWARE = {
    "machine.cpu": "",
    "machine.logical_cores": "logical cores",
    "machine.usable_cores": "usable cores",
    "torch.threads": "threads",
    "torch.cpu_capability": "",
}
_SOFTWARE = ("python", "gradgauge", "packages.", "compile_cache", "machine.system", "machine.governor")
_UNKNOWN = "unknown"
GROUPING = (
    "Times of different machines make no sequence. Runs stand together where the processor's model, its cores, the "
    "threads that PyTorch may use, the instructions that it uses, and the accelerators' models are the same. Python, "
    "torch and drivers may change within a machine: where a time changes, it is said which of them changed at that run."
)


@dataclass(frozen=True)
class Machine:
    """A machine with its runs, the earliest first."""

    title: str
    runs: tuple[Stored, ...]


def machines(stored: Sequence[Stored]) -> list[Machine]:
    """Return the machines, those with most runs first."""
    grouped: dict[str, list[Stored]] = {}
    for found in stored:
        grouped.setdefault(_title(found), []).append(found)
    ordered = sorted(grouped.items(), key=lambda item: -len(item[1]))
    return [Machine(title, tuple(runs)) for title, runs in ordered]


def software_changes(before: Stored, after: Stored) -> list[str]:
    """Return what of the software differs between two runs, as `packages.torch 2.11.0 → 2.13.0`."""
    then, now = (dict(flatten(found.run.description.environment)) for found in (before, after))
    keys = [key for key in dict.fromkeys((*then, *now)) if key.startswith(_SOFTWARE) or key.endswith("driver_version")]
    return [
        f"{key} {then.get(key, _UNKNOWN)} → {now.get(key, _UNKNOWN)}" for key in keys if then.get(key) != now.get(key)
    ]


def commit_of(found: Stored) -> str:
    """Return the commit that was measured, `1a2b3c4d5e` or `1a2b3c4d5e+` where files differed; nothing if unknown."""
    environment = dict(flatten(found.run.description.environment))
    commit = environment.get("git.commit", "")
    return "" if commit in ("", _UNKNOWN) else commit[:10] + "+" * (environment.get("git.dirty") == "yes")


def _title(found: Stored) -> str:
    environment = dict(flatten(found.run.description.environment))
    parts = [f"{environment.get(key, _UNKNOWN)} {noun}".strip() for key, noun in _HARDWARE.items()]
    accelerators = [
        value for key, value in environment.items() if key.startswith("accelerators[") and key.endswith("].name")
    ]
    return " · ".join(parts[:1] + accelerators + parts[1:])
