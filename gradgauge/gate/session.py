"""One session of the gate: both sides laid out, compared without a clock, timed in pairs, judged (no torch)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from gradgauge.bench import measure_into
from gradgauge.cases import Case
from gradgauge.catalog import UnreadablePath, scan
from gradgauge.gate.accepted import apply, read_accepted
from gradgauge.gate.changes import Change, Changes, code_digest, compare_files
from gradgauge.gate.exact import compare_exact
from gradgauge.gate.findings import GATE_JSON, Finding, Gate, Outcome, Side
from gradgauge.gate.pair_job import BASELINE, CANDIDATE, PairJob, Technique
from gradgauge.gate.planning import Plan
from gradgauge.gate.processes import NoPlan, Processes
from gradgauge.gate.recorded import Recorded
from gradgauge.gate.request import DECIDE, OFF, GateRequest
from gradgauge.gate.sequence import Decision, Stored, decide, settings_for
from gradgauge.gate.stored import StoredRun
from gradgauge.gate.trees import NoRevision, NotLaidOut, Repository, Tree
from gradgauge.runs import RunFolder
from gradgauge.supervisor import Progress

NOBODY = Case("", "", "", "", "", "", "", "")


@dataclass(frozen=True)
class Watch:
    """Who follows a session. runs: the progress of a run without a clock; pairs: the case in hand, and its process."""

    begins: Callable[[str], None]
    runs: Callable[[Progress], None]
    pairs: Callable[[Case, int], None]


@dataclass
class _Session:
    request: GateRequest
    folder: RunFolder
    watch: Watch
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    compared: int = 0

    def say(self, outcome: Outcome, detail: str, technique: Technique = ("", ""), kind: str = "implementation") -> None:
        """Note what became of a technique, or of the session."""
        case = replace(NOBODY, function=technique[0], implementation=technique[1])
        self.findings.append(Finding(kind if technique[0] else "session", outcome, case, detail))

    @contextmanager
    def spending(self, name: str) -> Iterator[None]:
        """Charge the time within to a name."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - began, 3)


def run_gate(request: GateRequest, watch: Watch) -> tuple[Gate, RunFolder]:
    """Judge the working tree against a revision or a stored run; leave a folder with the candidate's run and gate.json.

    Raises NoRevision where the revision that was asked for is not there, and NoRepository where there is none at all;
    a usual revision that is not there is a finding.
    """
    repository = Repository.around(request.gated)
    stored = StoredRun.read(request.stored) if request.stored else None
    named = (request.base, repository.commit(request.base)) if request.base else None
    candidate = repository.working_tree()
    clashes = [
        str(each) for each in scan([*map(Path, request.roots(_present(candidate)))])[1] if "a second" in each.message
    ]
    if clashes:
        raise UnreadablePath(f"--implementations: {clashes[0]}")
    folder = RunFolder.create_in(request.results / "gates")
    session = _Session(request, folder, watch)
    side = stored.side if stored else Side("revision", request.base or "none", named[1] if named else "")
    if stored:
        _against_run(session, candidate, stored)
    else:
        try:
            name, commit = named or repository.default_base()
            side = Side("revision", name, commit)
            with repository.laid_out(name, commit) as baseline:
                _against_tree(session, repository, baseline, candidate)
        except (NoRevision, NotLaidOut) as error:
            session.say(Outcome.BASELINE_UNUSABLE, str(error))
    gate = _gate(session, side, candidate)
    gate.write(folder.path / GATE_JSON)
    folder.link_as_latest()
    return gate, folder


def _gate(session: _Session, side: Side, candidate: Tree) -> Gate:
    request = session.request
    files = Files(_present(candidate))
    acceptances = [each for root in files.roots for each in read_accepted(root)]
    findings, notes = apply(session.findings, acceptances, files.digest)
    settings = settings_for(request.budget_s, request.limits.tolerance, request.limits.floor_s)
    return Gate(
        side,
        candidate.side,
        settings,
        tuple(findings),
        session.compared,
        (*session.notes, *notes),
        session.seconds,
    )


@dataclass(frozen=True)
class Files:
    """The files of the gated folders. roots: those folders."""

    roots: tuple[Path, ...]

    def digest(self, function: str, implementation: str) -> str:
        """Return the digest of a technique's code; empty where there is no such file."""
        files = (root / function / f"{implementation}.py" for root in self.roots)
        return next((code_digest(file) for file in files if file.is_file()), "")


def _present(tree: Tree) -> tuple[Path, ...]:
    return tuple(folder for folder in tree.folders if folder is not None)


def _against_tree(session: _Session, repository: Repository, baseline: Tree, candidate: Tree) -> None:
    before, after = _present(baseline), _present(candidate)
    changes = compare_files(before, after)
    wanted = {technique: change for technique, change in changes.found.items() if session.request.wants(technique)}
    changes = Changes(wanted, changes.was)
    pairs = _say_changes(session, changes)
    names = {(function, name): was for function, name, was in pairs}
    if names:
        with session.spending("without a clock"):
            _compare_exactly(session, before, after, names)
    for function in dict.fromkeys(function for function, _ in names):
        ours, theirs = (_definition(folders, function) for folders in (after, before))
        if ours != theirs:
            session.notes.append(f"{function}/function.py changed: each side is judged by its own")
    if not changes.in_both():
        return
    # What is the same byte for byte is loaded, too: a module that it imports may have changed.
    job = _pair_job(session, before, after, changes.in_both())
    processes = Processes(job, session.request.timeout_s, session.watch.pairs)
    try:
        session.watch.begins("loading both revisions")
        plan = processes.plan()
    except NoPlan as error:
        session.say(Outcome.CANNOT_TELL, str(error))
        return
    _say_loaded(session, plan, names)
    for operator, technique in ((operator, each) for operator, each in plan.twice if each in names):
        detail = (
            f"both sides define the operator {operator}, and a process holds only one: their times are not compared"
        )
        session.say(Outcome.CANNOT_TELL, detail, technique)
    for file in map(Path, plan.imported):
        if file.is_relative_to(repository.top) and repository.differs(file, baseline.side.commit):
            shared = file.relative_to(repository.top)
            detail = f"{shared} changed, and both revisions import the same one: that change is not compared"
            session.say(Outcome.CANNOT_TELL, detail)
    cases = [case for case in plan.cases if (case.function, case.implementation) in names]
    if names and session.request.times != OFF and (cases or not plan.twice):
        _time(session, processes, cases, plan.left_out)


def _definition(folders: tuple[Path, ...], function: str) -> bytes:
    files = (folder / function / "function.py" for folder in folders)
    return next((file.read_bytes() for file in files if file.is_file()), b"")


def _say_changes(session: _Session, changes: Changes) -> list[tuple[str, str, str]]:
    """Note what is new, gone, renamed and unchanged; return what is to be compared."""
    for technique in changes.of(Change.NEW):
        session.say(Outcome.NEW, "", technique)
    for technique in changes.of(Change.REMOVED):
        session.say(Outcome.REMOVED, "its file is gone", technique)
    for technique in changes.of(Change.RENAMED):
        session.say(Outcome.RENAMED, f"was {changes.was[technique]}, and is compared with it", technique)
    pairs = changes.in_both()
    if not changes.found:
        session.say(Outcome.NOTHING_MEASURED, "the choice leaves no implementation")
    elif not pairs and not changes.of(Change.REMOVED):
        session.say(Outcome.BASELINE_UNUSABLE, "the baseline has none of these implementations: all are new")
    if session.request.everything:
        return pairs
    for technique in changes.of(Change.SAME):
        session.say(Outcome.UNCHANGED, "", technique)
    return [(function, name, was) for function, name, was in pairs if changes.found[function, name] is not Change.SAME]


def _say_loaded(session: _Session, plan: Plan, names: Mapping[Technique, str]) -> None:
    """Note what does not load on one side."""
    for technique in names:
        sides = {side for side, loaded in plan.loaded.items() if technique in loaded}
        if len(sides) == 2:
            continue
        said, outcome = "does not load", Outcome.BOTH_FAIL
        if CANDIDATE in sides and _loads_alone(session, technique[0], names[technique]):
            # A process holds one definition of an operator, say: no fault of either side.
            said, outcome = "the baseline does not load beside the candidate", Outcome.CANNOT_TELL
        elif sides:
            outcome = Outcome.CANDIDATE_FAILS if BASELINE in sides else Outcome.BASELINE_FAILS
        function, name = technique
        reasons = [
            f"{side}: {why}"
            for side, broken in plan.broken.items()
            for file, why in broken
            if side not in sides
            and Path(file).parent.name == function
            and Path(file).stem in ({name, names[technique]} | {"function", "reference"})
        ]
        session.say(outcome, "; ".join([said, *dict.fromkeys(reasons)]), technique)


def _loads_alone(session: _Session, function: str, name: str) -> bool:
    """Whether the baseline's run without a clock could load a technique."""
    folder = RunFolder(session.folder.path / BASELINE)
    functions = folder.read_description()["catalog"]["functions"] if folder.run_json.is_file() else {}
    return name in functions.get(function, {}).get("implementations", {})


def _pair_job(
    session: _Session, before: tuple[Path, ...], after: tuple[Path, ...], pairs: Sequence[tuple[str, str, str]]
) -> PairJob:
    request = session.request
    settings = settings_for(request.budget_s)
    unloadable: dict[str, str] = {}
    for folder in (session.folder, RunFolder(session.folder.path / BASELINE)):
        if folder.run_json.is_file():
            broken = folder.read_description()["catalog"]["broken"]
            # What killed a worker would kill this process, too; what only does not load says why again.
            unloadable |= {each["file"]: each["message"] for each in broken}
    return PairJob(
        request.roots(before),
        request.roots(after),
        tuple(pairs),
        request.preset,
        request.selection,
        request.seed,
        request.threads,
        settings.slice_s,
        unloadable,
    )


def _compare_exactly(
    session: _Session, before: tuple[Path, ...], after: tuple[Path, ...], names: Mapping[Technique, str]
) -> None:
    old = [(function, was) for (function, _), was in names.items()]
    folder = RunFolder(session.folder.path / BASELINE)
    folder.path.mkdir()
    for what, into, folders, techniques in (
        ("the baseline, without a clock", folder, before, old),
        ("the candidate, without a clock", session.folder, after, list(names)),
    ):
        session.watch.begins(what)
        measure_into(into, session.request.run(folders, techniques), session.watch.runs)
    _compare_runs(session, Recorded.read(folder), names)


def _compare_runs(session: _Session, baseline: Recorded, names: Mapping[Technique, str]) -> None:
    renamed = {technique: was for technique, was in names.items() if technique[1] != was}
    found, session.compared, notes = compare_exact(baseline, Recorded.read(session.folder), renamed)
    session.findings += found
    session.notes += notes
    if not session.compared:
        session.say(Outcome.NOTHING_MEASURED, "no figure or verdict stands on both sides")


def _time(
    session: _Session,
    processes: Processes,
    cases: Sequence[Case],
    left_out: Sequence[str],
    stored: Mapping[Case, Stored] | None = None,
) -> None:
    """Take pairs until each case is decided, and note what became of it."""
    request = session.request
    if not cases:
        session.say(Outcome.NOTHING_MEASURED, "; ".join(["no case can be timed on both sides", *left_out]))
        return
    session.notes += left_out
    session.watch.begins("in pairs")
    settings = settings_for(request.budget_s, request.limits.tolerance, request.limits.floor_s)
    decided = decide(cases, processes.pairs, settings, request.limits.of, stored)
    session.seconds |= processes.spent.to_json()
    if request.times != DECIDE:
        session.notes.append("times are reported, and do not decide")
    for case, decision in decided.items():
        session.findings.append(_timed(case, decision, decides=request.times == DECIDE))


def _timed(case: Case, decision: Decision, *, decides: bool) -> Finding:
    outcome, detail = decision.outcome, decision.detail
    if not decides and outcome in (Outcome.REGRESSION, Outcome.CANNOT_TELL):
        outcome, detail = Outcome.NO_REGRESSION, f"{outcome}, which does not decide here"
    return Finding("time", outcome, case, detail, "speed", "time", "ratio", ratio=decision.ratio)


def _against_run(session: _Session, candidate: Tree, stored: StoredRun) -> None:
    """Compare with a stored run: its figures without a clock, and how its times stood to the reference's."""
    request = replace(session.request, preset=stored.preset, seed=stored.seed)
    session.request = request
    after = _present(candidate)
    here = compare_files((), after).of(Change.NEW)
    ours = [technique for technique in here if request.wants(technique)]
    both = [technique for technique in ours if technique in stored.techniques]
    for technique in ours:
        if technique not in stored.techniques:
            session.say(Outcome.NEW, "", technique)
    gone = [technique for technique in stored.techniques if request.wants(technique) and technique not in here]
    for technique in gone:
        session.say(Outcome.REMOVED, "its file is gone", technique)
    if not both:
        session.say(Outcome.NOTHING_MEASURED, "the stored run has none of these implementations")
        return
    names = {technique: technique[1] for technique in both}
    with session.spending("without a clock"):
        session.watch.begins("the candidate, without a clock")
        measure_into(session.folder, request.run(after, both), session.watch.runs)
        session.notes += stored.differences_to(session.folder)
        _compare_runs(session, stored.recorded_for(session.folder), names)
    if request.times == OFF:
        return
    pairs = [(function, name, name) for function, name in both]
    job = replace(_pair_job(session, after, after, pairs), against_reference=True)
    processes = Processes(job, request.timeout_s, session.watch.pairs)
    try:
        plan = processes.plan()
    except NoPlan as error:
        session.say(Outcome.CANNOT_TELL, str(error))
        return
    logs = stored.logs(plan.cases)
    _time(session, processes, list(logs), plan.left_out, logs)
