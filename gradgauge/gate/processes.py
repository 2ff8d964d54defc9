"""Asks fresh processes for plans and pairs, and keeps count of what that takes (no torch)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradgauge.attempts import Failure
from gradgauge.cases import Case
from gradgauge.children import Child, Death, ask
from gradgauge.gate.findings import Outcome
from gradgauge.gate.pair_job import BASELINE, CANDIDATE, PairJob
from gradgauge.gate.planning import Plan
from gradgauge.gate.sequence import Lost, Pairs
from gradgauge.lifeline import environment_of_child
from gradgauge.records import Verdict


class NoPlan(Exception):
    """The process that plans did not come to an end, or refused; the message says why."""


@dataclass
class Spent:
    """Seconds: of rounds, with their graphs; of warm-up, compilation and calibration; and of all together."""

    rounds_s: float = 0.0
    starting_s: float = 0.0
    total_s: float = 0.0
    processes: int = 0

    def to_json(self) -> dict[str, float]:
        """Return them by name, what processes and imports took apart."""
        rest_s = max(0.0, self.total_s - self.rounds_s - self.starting_s)
        named = {"rounds": self.rounds_s, "warm-up and compilation": self.starting_s, "processes and imports": rest_s}
        return {name: round(seconds, 3) for name, seconds in named.items()}


@dataclass
class Processes:
    """Asks one fresh process after the other for pairs. watch: told the case in hand and how many processes ended."""

    job: PairJob
    timeout_s: float
    watch: Callable[[Case, int], None] = lambda _case, _process: None
    spent: Spent = field(default_factory=Spent)

    def plan(self) -> Plan:
        """Return what can be timed on both sides; raise NoPlan."""
        with tempfile.TemporaryDirectory(prefix="gradgauge-plan-") as folder:
            file = Path(folder) / "job.json"
            self.job.write(file)
            command = [sys.executable, "-m", "gradgauge.gate.planning", str(file)]
            try:
                done = subprocess.run(
                    command, capture_output=True, env=environment_of_child(), timeout=self.timeout_s, check=False
                )
            except subprocess.TimeoutExpired:
                raise NoPlan(f"loading both revisions took more than {self.timeout_s:g} s") from None
        if done.returncode or not done.stdout:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"status {done.returncode}"]
            raise NoPlan(f"the process that loads both revisions ended: {last[0]}")
        told = json.loads(done.stdout)
        if "refused" in told:
            raise NoPlan(told["refused"])
        return Plan.from_json(told)

    def pairs(self, cases: Sequence[Case]) -> Mapping[Case, Pairs | Lost]:
        """Return for each case what one fresh process measured."""
        began = time.monotonic()
        # As for a worker: whatever lies in the current folder, this gradgauge is run.
        child = Child("gradgauge.gate.pairing", self.timeout_s, environment=environment_of_child())
        answers = ask(child, self.job, cases, lambda case: self.watch(case, self.spent.processes))
        self.spent.processes += 1
        self.spent.total_s += time.monotonic() - began
        return {case: self._read(answers[case]) for case in cases}

    def _read(self, answer: Any | Failure) -> Pairs | Lost:
        if isinstance(answer, Failure):
            return _lost_to(answer)
        if "lost" in answer:
            return _lost({side: Failure(Verdict(said[0]), said[1]) for side, said in answer["lost"].items()})
        self.spent.rounds_s += answer["rounds_s"]
        self.spent.starting_s += answer["starting_s"]
        return Pairs(tuple(answer["logs"]), answer["baseline_s"])


def _lost_to(death: Failure) -> Lost:
    """Return what a death comes to: the fault of whose code was in hand, where that is known."""
    doing = death.doing if isinstance(death, Death) else ""
    if doing in (BASELINE, CANDIDATE):
        return _lost({doing: death})
    return Lost(Outcome.CANNOT_TELL, f"{death.detail}; whose code it was is not known")


def _lost(failures: Mapping[str, Failure]) -> Lost:
    said = {side: f"{side}: {failure.detail}" for side, failure in failures.items()}
    detail = "; ".join(said.values())
    if len(failures) == 2:
        # What both cannot do is no fault of anybody's: nothing is compared.
        harmless = all(
            failure.verdict in (Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE) for failure in failures.values()
        )
        noisy = any(failure.verdict is Verdict.NOISY for failure in failures.values())
        return Lost(Outcome.UNCHANGED if harmless else Outcome.CANNOT_TELL if noisy else Outcome.BOTH_FAIL, detail)
    return Lost(Outcome.CANDIDATE_FAILS if CANDIDATE in failures else Outcome.BASELINE_FAILS, detail)
