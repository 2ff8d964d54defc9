"""One measuring process: the job, the catalog it loads, the plan of each suite, and where results are filed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import torch

from gradgauge.ahead import CompileAhead
from gradgauge.budgets import Budgets
from gradgauge.cases import MODES, REFERENCE, Case
from gradgauge.catalog import Catalog, FunctionEntry, builtin_folder, is_builtin, load, scan
from gradgauge.devices import available_devices, choose_devices, unavailable_reason
from gradgauge.grid import Suite, left_out_by_preset, plan, shape_fits
from gradgauge.job import Job, subject_key, technique_key
from gradgauge.journal import Journal, Pulse
from gradgauge.records import AVAILABILITY, Profile, Record, Reproduction, Result, Verdict
from gradgauge.runs import RunFolder
from gradgauge.steps import CaseStep, LoadStep


class UnfitShape(Exception):
    """A chosen shape that no chosen function can take; the message names it and what they take."""


@dataclass
class Session:
    """What a measuring process knows. folder, journal and pulse are None when pytest runs the suites by itself."""

    job: Job
    folder: RunFolder | None = None
    journal: Journal | None = None
    pulse: Pulse | None = None
    planned: dict[str, list[Case]] = field(default_factory=dict)
    left_out: list[dict[str, str]] = field(default_factory=list)
    suites: dict[str, Suite] = field(default_factory=dict)
    ahead: CompileAhead = field(default_factory=CompileAhead)
    budgets: Budgets = field(default_factory=Budgets)
    kept: dict[str, Any] = field(default_factory=dict)
    fitting: int = 0
    threads: int = field(default_factory=torch.get_num_threads)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        # Earlier workers of the same run found time for some techniques and not for others.
        self.checked, self.unchecked = set(self.job.checked), set(self.job.unchecked)

    @cached_property
    def devices(self) -> tuple[str, ...]:
        """Return the devices to measure on; raises UnknownDevice."""
        return choose_devices(self.job.selection.devices, available_devices())

    @cached_property
    def catalog(self) -> Catalog:
        """Load the chosen functions, telling the parent each file before it runs."""

        def on_load(file: Path) -> None:
            if self.pulse:
                self.pulse.beat(str(LoadStep(str(file))))

        catalog = load(roots_of(self.job), self._functions_to_load(), on_load, self.job.unloadable)
        if self.pulse:
            self.pulse.beat("planning")  # a death from here on is no file's fault
        return _only_mine(catalog) if self.job.only_mine else catalog

    def _functions_to_load(self) -> tuple[str, ...]:
        outside = tuple(scan([Path(path) for path in self.job.implementations])[0]) if self.job.only_mine else ()
        return self.job.selection.functions or outside

    def check_shapes(self) -> None:
        """Raise UnfitShape for the first chosen shape that fits none of the functions."""
        functions = self.catalog.functions.values()
        for text in self.job.selection.shapes:
            if functions and not any(shape_fits(text, entry) for entry in functions):
                takes = "; ".join(f"{entry.name} takes {', '.join(entry.function.inputs)}" for entry in functions)
                raise UnfitShape(f"--shape {text!r} has one part too few or too many: {takes}")

    def plan(self, name: str, suite: Suite) -> list[Case]:
        """Return the cases of a suite that are still to be measured, and note the plan as a whole."""
        if self.job.selection.suites and name not in self.job.selection.suites:
            return []
        if suite.apart and self.job.selection.suites != (name,):
            return []
        if self.job.clockless and (suite.timed or not any(metric.exact for metric in suite.metrics)):
            return []
        functions = list(self.catalog.functions.values())
        preset, chosen = self.job.preset, self.job.selection
        fitting = plan(suite, preset, chosen, functions, self.devices)
        if suite.by_name and preset != "full" and name not in chosen.suites:
            reason = f"preset {preset}; --preset full or --suite {name} measures it"
            self.left_out += [{"what": f"{name}: {len(fitting)} cases", "reason": reason}] if fitting else []
            return []
        # A workload fits any choice, which is no use to a user whose shape fits nothing, unless it was asked for.
        self.fitting += sum(bool(case.function) or chosen.suites == (name,) for case in fitting)
        cases = [case for case in fitting if not self.unavailable(case)]
        self.suites[name], self.planned[name] = suite, cases
        self.left_out += left_out_by_preset(name, suite, preset, chosen, functions, self.devices)
        done = {slug for suite_name, slug in self.job.done if suite_name == name}
        left = [case for case in cases if case.slug not in done and not self.dropped(case)]
        self.budgets.plan(name, suite.budget_s.get(preset), [case.block for case in cases], [c.block for c in left])
        return left

    def block(self, name: str, case: Case) -> list[Case]:
        """Return the cases that are compared with this one, itself included, less those that may not run any more."""
        alike = [other for other in self.planned[name] if other.block == case.block]
        return [other for other in alike if not self.dropped(other) and not self.is_unchecked(other)]

    def entry(self, case: Case) -> FunctionEntry:
        """Return the function of a case."""
        return self.catalog.functions[case.function]

    def unavailable(self, case: Case) -> str:
        """Return why a case cannot run on this machine; empty where it can, as a workload of the engine's own can."""
        if not case.function:
            return ""
        implementation = self.entry(case).implementations[case.implementation].implementation
        return unavailable_reason(implementation, case.mode, case.device)

    def dropped(self, case: Case) -> str:
        """Return how an earlier case of the same implementation killed a process; empty where none did."""
        return self.job.dropped.get(subject_key(case), "")

    def note_checked(self, case: Case, *, reached: bool) -> None:
        """Remember whether time sufficed for a case of the suite that is in hand."""
        (self.checked if reached else self.unchecked).add(technique_key(case))

    def is_unchecked(self, case: Case) -> bool:
        """Whether an earlier suite had no time for the technique at all: then later ones leave it out, too.

        What nobody has seen agree is not timed.
        """
        return technique_key(case) in self.unchecked - self.checked

    def remaining_s(self, name: str) -> float | None:
        """Return the seconds until no further case of the suite is begun; None without a deadline."""
        if self.job.limit_s is None:
            return None
        spent_s = self.job.spent_s + time.monotonic() - self.began
        return self.job.limit_s * self.suites[name].until - spent_s

    def step(self, suite: str, case: Case, doing: str) -> None:
        """Tell the parent what begins now."""
        if self.pulse:
            self.pulse.beat(str(CaseStep(suite, case, doing)))

    def file(self, result: Result) -> None:
        """Append what a suite found to the run folder, where there is one."""
        if self.folder is None:
            return
        if isinstance(result, Record):
            self.folder.append_record(result)
        elif isinstance(result, Profile):
            self.folder.append_profile(result)
        elif isinstance(result, Reproduction):
            self.folder.append_reproduction(result)
        else:
            self.folder.append_series(result)

    def say(self, event: str, **fields: Any) -> None:
        """Write an event to the journal, where there is one."""
        if self.journal:
            self.journal.write(event, **fields)

    def availability_records(self) -> list[Record]:
        """Return one record for each chosen implementation, mode and device that cannot run here."""
        chosen = self.job.selection
        records = []
        for entry, mode, device in product(self.catalog.functions.values(), chosen.modes or MODES, self.devices):
            for name, found in entry.implementations.items():
                reason = unavailable_reason(found.implementation, mode, device)
                if reason and (not chosen.implementations or name in chosen.implementations):
                    case = Case(entry.name, name, mode, "", device, "", "", "")
                    records.append(Record("catalog", case, AVAILABILITY.name, None, "", Verdict.UNAVAILABLE, reason))
        return records


def roots_of(job: Job) -> list[Path]:
    """Return the folders that the job reads functions from.

    The built-in ones are read even for `only_mine`, because a folder from outside may add to a built-in function.
    """
    return [Path(job.builtin) if job.builtin else builtin_folder("implementations"), *map(Path, job.implementations)]


def _only_mine(catalog: Catalog) -> Catalog:
    functions = {}
    for name, entry in catalog.functions.items():
        kept = {
            key: found for key, found in entry.implementations.items() if key == REFERENCE or not is_builtin(found.file)
        }
        functions[name] = replace(entry, implementations=kept)
    return replace(catalog, functions=functions)
