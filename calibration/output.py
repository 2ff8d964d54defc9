"""What the scripts print and write: Markdown for a reader, strict JSON for a program; and the percentiles in both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import floor
from pathlib import Path
from typing import Any


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie, interpolated between the two nearest.

    Raises ValueError when there are no values.

    >>> percentile([4.0, 1.0, 2.0, 3.0], 0.5)
    2.5
    """
    if not values:
        raise ValueError("no values: there is no percentile of nothing")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table, its first column aligned left and the others right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def excess(ratio: float | None) -> str:
    """Return by how much a ratio exceeds 1, in percent; a dash where there is none.

    >>> excess(1.034)
    '3.4 %'
    """
    return "–" if ratio is None else f"{100 * (ratio - 1):.1f} %"


def share(part: int, whole: int) -> str:
    """Return a count with its share of the whole; a share of nothing is left out.

    >>> share(1, 8)
    '1 (12.5 %)'
    """
    return f"{part} ({100 * part / whole:.1f} %)" if whole else str(part)


def machine_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the few facts of a run.json that a reader needs beside timings; None for what it does not tell."""
    environment = description.get("environment", {})
    machine = environment.get("machine", {})
    return {
        "cpu": machine.get("cpu"),
        "usable_cores": machine.get("usable_cores"),
        "threads": environment.get("torch", {}).get("threads"),
        "torch": environment.get("packages", {}).get("torch"),
        "python": environment.get("python"),
        "gradgauge": environment.get("gradgauge"),
    }


def machine_line(machine: Mapping[str, Any]) -> str:
    """Return those facts in a line, without what is not known."""
    return ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in machine.items() if value is not None)


def publish(markdown: str, data: Mapping[str, Any], output: Path | None) -> None:
    """Print the Markdown, and write the data as JSON where a file is named."""
    print(markdown)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False)
        output.write_text(text + "\n", encoding="utf-8")
