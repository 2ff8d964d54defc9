"""What a slowdown must exceed to count, as the command line and `pyproject.toml` say (no torch).

[tool.gradgauge.gate]
tolerance = "3%"
floor_ns = 100

[tool.gradgauge.gate.tolerances]
"relu" = "5%"
"relu/where/compiled" = "10%"
"*/*/*/backward" = "8%"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from gradgauge.cases import Case
from gradgauge.gate.sequence import FLOOR_S, TOLERANCE, Limit

KEYS = ("tolerance", "floor_ns", "tolerances")


class BadLimits(Exception):
    """A table in pyproject.toml that cannot be meant; the message names the file, the key and what is allowed."""


@dataclass(frozen=True)
class Limits:
    """tolerance, floor_s: for all cases; tolerances: pattern → tolerance, the longest pattern that matches counts.

    A pattern is function/implementation/mode/pass/device/dtype/shape, as many of them as it has parts.
    """

    tolerance: float = TOLERANCE
    floor_s: float = FLOOR_S
    tolerances: Mapping[str, float] | None = None

    def of(self, case: Case) -> Limit:
        """Return the limit of a case."""
        parts = (case.function, case.implementation, case.mode, case.pass_, case.device, case.dtype, case.shape)
        fitting = [
            pattern
            for pattern in self.tolerances or {}
            if all(map(fnmatchcase, parts, pattern.split("/"))) and pattern.count("/") < len(parts)
        ]
        # More parts say more; among equals the one with more letters, which has fewer wildcards.
        best = max(fitting, key=lambda pattern: (pattern.count("/"), len(pattern.replace("*", ""))), default=None)
        tolerance = (self.tolerances or {})[best] if best else self.tolerance
        return Limit(tolerance, self.floor_s)

    @classmethod
    def read(cls, file: Path) -> Limits:
        """Return what the file's table says; the usual limits where there is no such file or table."""
        if not file.is_file():
            return cls()
        try:
            found = tomllib.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadLimits(f"{file}: not TOML: {error}") from error
        table = found.get("tool", {}).get("gradgauge", {}).get("gate", {})
        if not isinstance(table, dict):
            raise BadLimits(f"{file}: [tool.gradgauge.gate] = {table!r} is no table")
        unknown = [key for key in table if key not in KEYS]
        if unknown:
            raise BadLimits(f"{file}: [tool.gradgauge.gate] {unknown[0]} is not one of: {', '.join(KEYS)}")
        floor_ns = table.get("floor_ns", FLOOR_S * 1e9)
        if isinstance(floor_ns, bool) or not isinstance(floor_ns, (int, float)) or not 0 <= floor_ns < float("inf"):
            raise BadLimits(f"{file}: floor_ns = {floor_ns!r} is no number of nanoseconds")
        tolerances = table.get("tolerances", {})
        if not isinstance(tolerances, dict):
            raise BadLimits(f"{file}: tolerances = {tolerances!r} is no table")
        where = f"{file}: tolerance"
        return cls(
            share_of(where, table.get("tolerance", TOLERANCE)),
            floor_ns / 1e9,
            {pattern: share_of(f"{where} of {pattern!r}", value) for pattern, value in tolerances.items()},
        )


def share_of(where: str, given: Any) -> float:
    """Return the share that `"3%"` or `0.03` names; raise BadLimits unless it lies between 0 and 1."""
    try:
        share = float(given.removesuffix("%")) / 100 if isinstance(given, str) and given.endswith("%") else float(given)
    except (TypeError, ValueError):
        raise BadLimits(f"{where} = {given!r} is neither a percentage such as '3%' nor a share such as 0.03") from None
    if isinstance(given, bool) or not 0 < share < 1:
        raise BadLimits(f"{where} = {given!r} must lie between 0 and 1 (or 0% and 100%)")
    return share
