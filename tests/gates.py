"""Gates to show: a green one, a red one with every outcome, a hostile one, an empty one."""

from __future__ import annotations

from dataclasses import replace

from gradgauge.cases import Case
from gradgauge.gate.findings import Finding, Gate, Outcome, Ratio, Settings, Side

SETTINGS = Settings(tolerance=0.03, floor_s=5e-8, confidence=0.98, budget_s=20.0, slice_s=1.5, looks=(3, 5, 8))
BASELINE = Side("revision", "main", "0123456789abcdef0123456789abcdef01234567")
CANDIDATE = Side("working tree", "", "fedcba9876543210fedcba9876543210fedcba98", dirty=True)
NASTY = "<script>alert(1)</script>|`x`@octocat #12\n# heading\x1b[31m\x00 https://evil.example/ ```"


def case(implementation: str = "where", pass_: str = "forward", shape: str = "64x64", mode: str = "compiled") -> Case:
    return Case("relu", implementation, mode, pass_, "cpu", "float32", shape)


def ratio(
    value: float = 1.001, half: float | None = 0.012, baseline_s: float = 1.2e-5, tolerance: float = 0.03
) -> Ratio:
    low, high = (None, None) if half is None else (value - half, value + half)
    return Ratio(value, low, high, baseline_s, tolerance, 5e-8, processes=5, pairs=140, smallest_detectable=0.042)


def timed(outcome: Outcome, value: float, where: Case | None = None, half: float | None = 0.012) -> Finding:
    return Finding("time", outcome, where or case(), suite="speed", metric="time", unit="s", ratio=ratio(value, half))


def exact(
    outcome: Outcome,
    baseline: float | str | None,
    candidate: float | str | None,
    metric: str = "saved_bytes",
    unit: str = "byte",
) -> Finding:
    return Finding(
        "exact", outcome, case(), suite="memory", metric=metric, unit=unit, baseline=baseline, candidate=candidate
    )


def implementation(outcome: Outcome, name: str, detail: str = "") -> Finding:
    return Finding("implementation", outcome, Case("relu", name, "", "", "", "", "", ""), detail=detail)


def session(outcome: Outcome, detail: str) -> Finding:
    return Finding("session", outcome, Case("", "", "", "", "", "", "", ""), detail=detail)


def gate(*findings: Finding, compared: int = 812, notes: tuple[str, ...] = ()) -> Gate:
    seconds = {"timing": 110.0, "checking": 15.2}
    return Gate(BASELINE, CANDIDATE, SETTINGS, findings, compared, notes, seconds)


def green(cases: int = 24) -> Gate:
    """Return a gate that passed: 24 cases, none slower."""
    shapes = [f"{64 + index}x64" for index in range(cases)]
    values = [1 + 0.001 * (index % 7 - 3) for index in range(cases)]
    found = [
        timed(Outcome.NO_REGRESSION, value, case(shape=shape)) for shape, value in zip(shapes, values, strict=True)
    ]
    return gate(*found)


def red() -> Gate:
    """Return a gate that failed, with every outcome, and one regression that somebody accepted."""
    return gate(
        timed(Outcome.REGRESSION, 1.102, case()),
        timed(Outcome.REGRESSION, 14.2, case("masked_function", "backward", mode="eager")),
        replace(timed(Outcome.REGRESSION, 1.055, case("where", "backward")), accepted="clearer, and rarely called"),
        timed(Outcome.CANNOT_TELL, 1.028, case("saved_inputs"), half=0.02),
        timed(Outcome.CANNOT_TELL, 1.4, case("saved_inputs", "backward"), half=None),
        timed(Outcome.IMPROVEMENT, 0.83, case("triton_kernel", "backward")),
        timed(Outcome.NO_REGRESSION, 0.999, case("native")),
        exact(Outcome.WORSE, 4096.0, 8192.0),
        exact(Outcome.WORSE, "pass", "fail", "gradient_max_ulp", "ulp"),
        exact(Outcome.BETTER, 3.0, 0.0, "graph_breaks", "count"),
        implementation(Outcome.REMOVED, "old_trick"),
        implementation(Outcome.CANDIDATE_FAILS, "broken", "NameError: name 'sigmoid' is not defined"),
        session(Outcome.NOTHING_MEASURED, "no case of the candidate matches -k conv"),
        implementation(Outcome.BOTH_FAIL, "always_broken", "ImportError: no module named 'absent'"),
        session(Outcome.BASELINE_UNUSABLE, "git worktree add failed: no such revision"),
        implementation(Outcome.BASELINE_FAILS, "mended"),
        implementation(Outcome.RENAMED, "new_name", "was old_name"),
        implementation(Outcome.NEW, "newcomer"),
        implementation(Outcome.UNCHANGED, "reference"),
        notes=("The control took 4 % longer at the end than at the start.",),
    )


def hostile() -> Gate:
    """Return a failed gate whose every text is written by an enemy."""
    where = Case(NASTY, NASTY, NASTY, "forward", "cpu", "float32", NASTY)
    labels = {"input": NASTY}
    slow = replace(timed(Outcome.REGRESSION, 1.2, where), detail=NASTY, labels=labels)
    worse = Finding("exact", Outcome.WORSE, where, NASTY, NASTY, NASTY, NASTY, labels, NASTY, f"{NASTY}2")
    accepted = replace(slow, accepted=NASTY)
    found = gate(slow, worse, accepted, implementation(Outcome.BOTH_FAIL, NASTY, NASTY), notes=(NASTY,))
    side = Side("revision", NASTY, NASTY)
    return replace(found, baseline=side, candidate=side, seconds={NASTY: 1.0})


def long(cases: int = 3000) -> Gate:
    """Return a failed gate with more findings than a comment holds."""
    found = [
        replace(timed(Outcome.REGRESSION, 1.5 + index / cases, case(shape=f"{index}x64")), detail="<" * 400)
        for index in range(cases)
    ]
    more = [timed(Outcome.NO_REGRESSION, 1.0, case(shape=f"{index}x32")) for index in range(cases)]
    return gate(*found, *more)


EMPTY = gate(compared=0)
EVERY_GATE = {"green": green(), "red": red(), "hostile": hostile(), "long": long(300), "empty": EMPTY}
