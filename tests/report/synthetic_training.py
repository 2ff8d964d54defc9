"""What training leaves in a run: two functions, one implementation of them wrong, five seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gradgauge.cases import Case
from gradgauge.records import Record, Series, Verdict

STEPS = tuple(10.0 * step for step in range(1, 31))
ROLES = {"relu": ("activation",), "ternary_activation": ("activation", "weights")}
PIECES = {"relu": ("x < 0", "x ≥ 0"), "ternary_activation": ("x < −5", "−5 ≤ x < 5", "x ≥ 5")}
ACCURACIES = (0.91, 0.92, 0.90, 0.93, 0.91)
TECHNIQUES = ("reference", "masked_function", "where", "published")
# Of `published`, by role: how much less accurate from each seed, how much higher its loss ends, where it parts, and
# which share of its inputs lies in its wrong piece.
FAULTS: Mapping[str, tuple[Sequence[float], float, tuple[int | None, ...], float]] = {
    "activation": ((0.004, -0.003, 0.001, -0.002, 0.001), 0.0, (61, 56, None, 58, 60), 0.004),
    "weights": ((0.09, 0.07, 0.08, 0.10, 0.06), 0.45, (1, 1, 1, 1, 1), 0.18),
}


def case(function: str, name: str, **changes: str) -> Case:
    """Return a case of training."""
    axes = {"device": "cpu", "dtype": "float32", "shape": "64x64"} | changes
    return Case(function, name, "eager", "forward_backward", axes["device"], axes["dtype"], axes["shape"])


def record(measured: Case, metric: str, value: float | None, detail: str = "", **labels: str) -> Record:
    """Return a figure of training."""
    return Record("training", measured, metric, value, "", Verdict.MEASURED, detail, labels=labels)


def trained(measured: Case, role: str, seeds: int = 5) -> Iterator[Record]:
    """Yield what one technique leaves in one role."""
    wrong = measured.implementation == "published"
    less, higher, parts, share = FAULTS[role] if wrong else ((0.0,) * 5, 0.0, (None,) * 5, 0.0)
    pieces = PIECES[measured.function]
    for seed in range(seeds):
        labels = {"role": role, "seed": str(seed)}
        yield record(measured, "training_accuracy", ACCURACIES[seed] - less[seed], **labels)
        yield record(measured, "training_loss", 0.6 + 0.01 * seed + higher + 0.001 * seed * higher, **labels)
        for index, piece in enumerate(pieces):
            yield record(measured, "training_piece_share", 1 / len(pieces), **labels, piece=piece)
            yield record(measured, "training_wrong_share", 0.0 if index else share, **labels, piece=piece)
        yield record(measured, "training_wrong_share", share, **labels)
        if measured.implementation != "reference":
            detail = "" if parts[seed] else "never in 300 steps"
            yield record(measured, "training_first_difference", parts[seed], detail, **labels)
    if measured.implementation == "reference":
        own = record(measured, "training_first_difference", None, "it is what the others are compared with", role=role)
        yield replace(own, verdict=Verdict.NOT_APPLICABLE)
    labels = {"role": role, "clock": "wall", "cache": "warm"}
    yield Record(
        "training",
        measured,
        "training_step_time",
        4.5e-4,
        "s",
        Verdict.MEASURED,
        low=4.4e-4,
        high=4.6e-4,
        samples=99,
        labels=labels,
    )


def records(techniques: Sequence[str] = TECHNIQUES, seeds: int = 5) -> list[Record]:
    """Return what a run of the suite leaves."""
    found: list[Record] = []
    for function, roles in ROLES.items():
        for name in techniques:
            if function == "relu" and name == "published":
                continue
            for role in ("activation", "weights"):
                if role in roles:
                    found += trained(case(function, name), role, seeds)
                else:
                    why = "weights are drawn to the levels of a staircase"
                    none = record(case(function, name), "training_accuracy", None, why, role=role)
                    found.append(replace(none, verdict=Verdict.NOT_APPLICABLE))
    return found


def curves(techniques: Sequence[str] = TECHNIQUES, seeds: int = 5) -> list[Series]:
    """Return the losses over the steps."""
    return [
        Series(
            case(function, name),
            f"training_loss/{role}/{seed}",
            STEPS,
            tuple(
                0.1 * (seed + 2) + (0.4 if name == "published" else 0.0) + 2 * math.exp(-step / 60) for step in STEPS
            ),
            "step",
        )
        for function, roles in ROLES.items()
        for name in techniques
        for role in roles
        for seed in range(seeds)
        if (function, name) != ("relu", "published")
    ]
