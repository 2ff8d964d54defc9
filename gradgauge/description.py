"""What run.json says of the catalog: functions, conventions, availability with reasons, and what is broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradgauge.cases import MODES
from gradgauge.catalog import Broken, Catalog, FunctionEntry, is_builtin
from gradgauge.devices import unavailable_reason


def describe_catalog(catalog: Catalog, devices: tuple[str, ...]) -> dict[str, Any]:
    """Return run.json's `catalog`. A mode is available when it is on at least one of the devices."""
    functions = {name: _describe_function(entry, devices) for name, entry in catalog.functions.items()}
    return {"functions": functions, "broken": [_describe_broken(broken) for broken in catalog.broken]}


def _describe_function(entry: FunctionEntry, devices: tuple[str, ...]) -> dict[str, Any]:
    function = entry.function
    described = {}
    for name, found in entry.implementations.items():
        implementation = found.implementation
        described[name] = {
            "summary": found.summary,
            "convention": dict(implementation.convention),
            "expected_fail": dict(implementation.expected_fail),
            "requires": list(implementation.requires),
            "origin": _origin(found.file),
            "modes": {
                mode: _availability([unavailable_reason(implementation, mode, device) for device in devices])
                for mode in MODES
            },
        }
    return {
        "summary": function.summary,
        "formula": function.formula,
        "derivative": function.derivative,
        "source": function.source,
        "inputs": list(function.inputs),
        "breakpoints": list(function.breakpoints),
        "backward_reads": [function.inputs[index] for index in function.backward_read_indices],
        "kinks": [{"name": kink.name, "point": kink.point, "slopes": kink.slopes} for kink in function.kinks],
        "curve": function.curve,
        "value_budget_ulp": function.value_budget_ulp,
        "gradient_budget_ulp": function.gradient_budget_ulp,
        "origin": _origin(entry.file),
        "implementations": described,
    }


def _availability(reasons: list[str]) -> dict[str, Any]:
    return {"available": not all(reasons), "reason": next(filter(None, reasons), "")}


def _origin(file: Path) -> str:
    return "built-in" if is_builtin(file) else str(file)


def _describe_broken(broken: Broken) -> dict[str, Any]:
    return {"file": broken.file, "line": broken.line, "message": broken.message}
