"""Whole sessions of the gate, on a repository of a few techniques: each outcome shows where it should."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gradgauge.attempts import Failure
from gradgauge.children import Death
from gradgauge.gate.findings import GATE_JSON, Finding, Gate, Outcome, Status
from gradgauge.gate.pairing import slowed
from gradgauge.gate.processes import _lost, _lost_to
from gradgauge.passes import Pass
from gradgauge.records import Verdict
from tests.fakes import ROOT, python, read_json, technique_py, write_function
from tests.test_gate_trees import TWICE, commit, git

EXITS = "import os\ndef call(x):\n    os._exit(7)\n"
ONE_MORE = technique_py("def call(x):\n    return (2 * x) + 0.0\n")
SIGN_FAULT = technique_py(
    "class Twice(torch.autograd.Function):\n"
    "    @staticmethod\n    def forward(ctx, x):\n        return 2 * x\n"
    "    @staticmethod\n    def backward(ctx, grad_output):\n        return SIGN * grad_output\n"
    "def call(x):\n    return Twice.apply(x)\n"
)
SAVES = technique_py(
    "class Twice(torch.autograd.Function):\n"
    "    @staticmethod\n    def forward(ctx, x):\n        ctx.save_for_backward(*SAVED)\n        return 2 * x\n"
    "    @staticmethod\n    def backward(ctx, grad_output):\n        return 2 * grad_output\n"
    "def call(x):\n    return Twice.apply(x)\n"
)
BEFORE = {
    "same": TWICE,
    "one_more": TWICE,
    "one_less": ONE_MORE,
    "wrong": SIGN_FAULT.replace("SIGN", "2"),
    "keeps": SAVES.replace("SAVED", "()"),
    "dies": TWICE,
    "mended": technique_py(EXITS),
    "unreadable": TWICE,
    "gone": "# nothing alike\n" + ONE_MORE.replace("0.0", "1.0 - 1.0").replace("call", "calls"),
    "old_name": technique_py("import math\ndef call(x):\n    two = math.sqrt(4.0)\n    return x.mul(two)\n"),
}
AFTER = {
    "same": TWICE,
    "one_more": ONE_MORE,
    "one_less": TWICE,
    "wrong": SIGN_FAULT.replace("SIGN", "-2"),
    "keeps": SAVES.replace("SAVED", "(x + 1)"),
    "dies": technique_py(EXITS),
    "mended": TWICE,
    "unreadable": "def (",
    "new_name": technique_py("import math\ndef call(x):\n    two = math.sqrt(4.0)\n    return x.mul(two) * 1\n"),
    "fresh": SAVES.replace("SAVED", "(x,)"),
}


def gate(top: Path, *options: str, **changes: str) -> tuple[subprocess.CompletedProcess[str], Gate | None]:
    command = ["-m", "gradgauge", "gate", "--implementations", "mine", "--preset", "quick", "--device", "cpu"]
    done = python(*command, "--mode", "eager", *options, cwd=top, timeout_s=400, **changes)
    file = top / "results" / "gates" / "latest" / GATE_JSON
    return done, Gate.read(file) if file.is_file() else None


def repository(top: Path, techniques: dict[str, str]) -> Path:
    write_function(top / "mine", **techniques)
    (top / ".gitignore").write_text("results\n__pycache__\n", encoding="utf-8")
    git(top, "init", "-q")
    commit(top)
    return top


def rewrite(top: Path, techniques: dict[str, str]) -> None:
    for file in (top / "mine" / "twice").glob("*.py"):
        if file.stem not in ("function", "reference"):
            file.unlink()
    write_function(top / "mine", **techniques)


@pytest.mark.slow
class TestEveryOutcome:
    @pytest.fixture(scope="class")
    @classmethod
    def session(cls, tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Gate, Path]:
        top = repository(tmp_path_factory.mktemp("gated"), BEFORE)
        rewrite(top, AFTER)
        done, found = gate(top, "--pass", "forward", "--budget", "0.6")
        assert found is not None, done.stderr
        return done, found, top

    @pytest.fixture
    def by_name(self, session: tuple[subprocess.CompletedProcess[str], Gate, Path]) -> dict[str, list[Finding]]:
        found = defaultdict(list)
        for finding in session[1].findings:
            found[finding.case.implementation].append(finding)
        return found

    @pytest.mark.parametrize(
        ("name", "outcome"),
        [
            ("same", Outcome.UNCHANGED),
            ("reference", Outcome.UNCHANGED),
            ("fresh", Outcome.NEW),
            ("gone", Outcome.REMOVED),
            ("new_name", Outcome.RENAMED),
            ("one_more", Outcome.WORSE),
            ("one_less", Outcome.BETTER),
            ("wrong", Outcome.WORSE),
            ("keeps", Outcome.WORSE),
            ("dies", Outcome.CANDIDATE_FAILS),
            ("mended", Outcome.BASELINE_FAILS),
            ("unreadable", Outcome.CANDIDATE_FAILS),
        ],
    )
    def test_each_technique_has_its_own(self, by_name: dict[str, list[Finding]], name: str, outcome: Outcome) -> None:
        assert outcome in {finding.outcome for finding in by_name[name]}

    def test_what_is_worse_is_told_before_and_after(self, by_name: dict[str, list[Finding]]) -> None:
        worse = {
            (name, each.metric): (each.baseline, each.candidate, each.detail)
            for name, found in by_name.items()
            for each in found
            if each.outcome is Outcome.WORSE
        }
        before, after, detail = worse["one_more", "operators"]
        assert isinstance(before, int | float)
        assert isinstance(after, int | float)
        assert after > before
        assert "1 aten::add" in detail
        assert worse["wrong", "gradient_max_ulp"][:2] == ("pass", "fail")
        assert worse["keeps", "saved_extra_bytes"][:2] == (0, 32)

    def test_the_renamed_one_is_compared_across_its_names(self, by_name: dict[str, list[Finding]]) -> None:
        assert any(each.metric == "operators" and each.outcome is Outcome.WORSE for each in by_name["new_name"])
        assert any(each.ratio for each in by_name["new_name"])
        assert "was old_name" in next(each.detail for each in by_name["new_name"] if each.outcome is Outcome.RENAMED)

    def test_what_does_not_load_is_said_to_be_whose_it_is(self, by_name: dict[str, list[Finding]]) -> None:
        said = [each.detail for each in by_name["unreadable"] if each.outcome is Outcome.CANDIDATE_FAILS]
        assert any(detail.startswith("does not load; candidate: SyntaxError") for detail in said)

    def test_it_fails_and_says_so_everywhere(
        self, session: tuple[subprocess.CompletedProcess[str], Gate, Path]
    ) -> None:
        done, found, top = session
        assert (done.returncode, found.status) == (1, Status.FAILED)
        folder = top / "results" / "gates" / "latest"
        for run in (folder, folder / "baseline"):
            assert set(read_json(run / "run.json")["suites"]) == {"gradients", "memory", "counters", "behavior"}
        assert "failed" in done.stdout
        assert "<!-- gradgauge-gate -->" in (folder / "gate.md").read_text(encoding="utf-8")
        assert ET.parse(folder / "junit.xml").getroot().findall(".//failure")
        assert "new_name" in (folder / "report.html").read_text(encoding="utf-8")
        assert len(git(top, "worktree", "list").splitlines()) == 1

    def test_what_was_accepted_passes_until_its_code_changes(
        self, session: tuple[subprocess.CompletedProcess[str], Gate, Path]
    ) -> None:
        top = session[2]
        chosen = ("--implementations", "mine", "--function", "twice", "--implementation", "one_more")
        done = python("-m", "gradgauge", "accept", *chosen, "--reason", "needed for NaN", cwd=top)
        assert done.returncode == 0, done.stderr
        options = ("--implementation", "one_more", "--times", "off", "--pass", "forward")
        done, found = gate(top, *options)
        assert found is not None
        assert done.returncode == 0, done.stdout + done.stderr + (top / "mine" / "accepted.json").read_text("utf-8")
        assert {each.accepted for each in found.of(Outcome.WORSE)} == {"needed for NaN"}
        file = top / "mine" / "twice" / "one_more.py"
        file.write_text(ONE_MORE + "# changed\n", encoding="utf-8")
        done, found = gate(top, *options)
        assert found is not None
        assert done.returncode == 1
        assert any("expired" in note for note in found.notes)


@pytest.mark.slow
def test_against_a_stored_run(tmp_path: Path) -> None:
    top = repository(tmp_path, {"mine": TWICE})
    shared = ("--implementations", "mine", "--only-mine", "--preset", "quick", "--mode", "eager", "--device", "cpu")
    suites = [word for name in ("gradients", "memory", "counters", "behavior", "speed") for word in ("--suite", name)]
    done = python("-m", "gradgauge", "bench", *shared, *suites, "--pass", "forward", "--limit", "none", cwd=top)
    assert done.returncode == 0, done.stdout + done.stderr
    rewrite(top, {"mine": ONE_MORE})
    done, found = gate(top, "--pass", "forward", "--budget", "0.6", "--baseline", "results/runs/latest/run.json")
    assert done.returncode == 1, done.stdout + done.stderr
    assert found is not None
    assert found.baseline.kind == "run"
    assert any(each.metric == "operators" and each.outcome is Outcome.WORSE for each in found.findings)
    (timed,) = found.times()
    assert timed.case.implementation == "mine"


def test_nothing_changed_is_told_and_passes(tmp_path: Path) -> None:
    top = repository(tmp_path, {"mine": TWICE})
    commit(top)
    done, found = gate(top)
    assert done.returncode == 0, done.stderr
    assert found is not None
    assert {each.outcome for each in found.findings} == {Outcome.UNCHANGED}


def test_a_module_that_both_sides_import_and_that_changed_cannot_be_told(tmp_path: Path) -> None:
    text = technique_py("import helper_of_both\ndef call(x):\n    return helper_of_both.two * x\n")
    (tmp_path / "helper_of_both.py").write_text("two = 2\n", encoding="utf-8")
    top = repository(tmp_path, {"mine": text})
    commit(top)
    done, found = gate(top, PYTHONPATH=f"{ROOT}{os.pathsep}{top}")
    assert done.returncode == 0, done.stdout + done.stderr
    (top / "helper_of_both.py").write_text("two = 1 + 1\n", encoding="utf-8")
    commit(top)
    done, found = gate(top, PYTHONPATH=f"{ROOT}{os.pathsep}{top}")
    assert done.returncode == 3, done.stdout + done.stderr
    assert found is not None
    (open_,) = found.of(Outcome.CANNOT_TELL)
    assert "helper_of_both.py changed" in open_.detail


@pytest.mark.slow
def test_operators_that_only_one_side_can_define_cannot_be_told(tmp_path: Path) -> None:
    custom = technique_py(
        '@torch.library.custom_op("gate_session::twice", mutates_args=())\n'
        "def op(x: torch.Tensor) -> torch.Tensor:\n    return 2 * x\n"
        "op.register_autograd(lambda ctx, grad: 2 * grad)\n"
        "def call(x):\n    return op(x)\n"
    )
    library = technique_py(
        'LIBRARY = torch.library.Library("gate_session_two", "DEF")\n'
        'LIBRARY.define("f(Tensor x) -> Tensor")\n'
        "def call(x):\n    return 2 * x\n"
    )
    top = repository(tmp_path, {"custom": custom, "library": library})
    rewrite(top, {"custom": custom + "# slower\n", "library": library + "# slower\n"})
    done, found = gate(top, "--pass", "forward", "--budget", "0.6")
    assert done.returncode == 3, done.stdout + done.stderr
    assert found is not None
    said = {each.case.implementation: each.detail for each in found.of(Outcome.CANNOT_TELL)}
    assert "gate_session::twice" in said["custom"]
    assert "does not load beside the candidate" in said["library"]
    assert not found.times()


def test_a_second_file_of_a_built_in_name_is_named(tmp_path: Path) -> None:
    write_function(tmp_path / "mine", "relu", where=TWICE)
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    done, _ = gate(tmp_path)
    assert done.returncode == 2
    assert "a second relu/" in done.stderr


def test_a_choice_that_leaves_nothing_fails(tmp_path: Path) -> None:
    top = repository(tmp_path, {"mine": TWICE})
    commit(top)
    done, found = gate(top, "--implementation", "nobody")
    assert done.returncode == 1, done.stderr
    assert found is not None
    assert [each.outcome for each in found.findings] == [Outcome.NOTHING_MEASURED]
    done = python("-m", "gradgauge", "accept", "--implementations", "mine", "--reason", "because", cwd=top)
    assert done.returncode == 2
    assert "cannot be accepted" in done.stderr


def test_a_baseline_that_has_none_of_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("first\n", encoding="utf-8")
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    top = repository(tmp_path, {"mine": TWICE})
    done, found = gate(top)
    assert done.returncode == 3, done.stderr
    assert found is not None
    assert {each.outcome for each in found.findings} == {Outcome.NEW, Outcome.BASELINE_UNUSABLE}
    done, _ = gate(top, "--cannot-tell", "pass")
    assert done.returncode == 0


def test_a_first_commit_has_no_baseline_and_says_so(tmp_path: Path) -> None:
    done, found = gate(repository(tmp_path, {"mine": TWICE}))
    assert done.returncode == 3, done.stderr
    assert found is not None
    assert [each.outcome for each in found.findings] == [Outcome.BASELINE_UNUSABLE]
    assert "no commit before it" in found.findings[0].detail


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--base", "nosuch"), "--base 'nosuch' is no commit"),
        (("--tolerance", "much"), "--tolerance = 'much' is neither a percentage"),
        (("--budget", "0"), "--budget 0 must be above 0 seconds"),
        (("--times", "never"), "--times 'never' is not one of: decide, report, off"),
        (("--cannot-tell", "x"), "--cannot-tell 'x' is not one of: pass, fail"),
        (("--base", "HEAD", "--baseline", "x"), "two baselines"),
        (("--baseline", "nowhere/run.json"), "--baseline nowhere/run.json: no such file or folder"),
        (("--calibrate", "0"), "--calibrate 0 must be at least 1"),
    ],
)
def test_wrong_usage_is_refused_in_a_line(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done, _ = gate(repository(tmp_path, {"mine": TWICE}), *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr


def test_accepting_what_does_not_fail_is_refused(tmp_path: Path) -> None:
    top = repository(tmp_path, {"mine": TWICE})
    commit(top)
    gate(top)
    done = python("-m", "gradgauge", "accept", "--implementations", "mine", "--reason", "because", cwd=top)
    assert done.returncode == 2
    assert "what fails there: nothing" in done.stderr
    assert not (top / "mine" / "accepted.json").exists()


def failure(verdict: Verdict = Verdict.FAIL) -> Failure:
    return Failure(verdict, "it raised")


@pytest.mark.parametrize(
    ("failures", "outcome"),
    [
        ({"candidate": failure()}, Outcome.CANDIDATE_FAILS),
        ({"baseline": failure()}, Outcome.BASELINE_FAILS),
        ({"baseline": failure(), "candidate": failure()}, Outcome.BOTH_FAIL),
        ({"baseline": failure(Verdict.UNSUPPORTED), "candidate": failure(Verdict.UNSUPPORTED)}, Outcome.UNCHANGED),
        ({"baseline": failure(Verdict.UNSUPPORTED), "candidate": failure()}, Outcome.BOTH_FAIL),
        ({"baseline": failure(Verdict.NOISY), "candidate": failure(Verdict.NOISY)}, Outcome.CANNOT_TELL),
    ],
)
def test_who_fails_decides_what_it_is_called(failures: dict[str, Failure], outcome: Outcome) -> None:
    lost = _lost(failures)
    assert lost.outcome is outcome
    assert all(side in lost.detail for side in failures)


@pytest.mark.parametrize(
    ("doing", "outcome"),
    [
        ("baseline", Outcome.BASELINE_FAILS),
        ("candidate", Outcome.CANDIDATE_FAILS),
        ("either", Outcome.CANNOT_TELL),
        ("", Outcome.CANNOT_TELL),
    ],
)
def test_a_death_is_charged_to_whose_code_was_in_hand(doing: str, outcome: Outcome) -> None:
    assert _lost_to(Death(Verdict.CRASHED, "it died", doing)).outcome is outcome


def test_a_planted_slowdown_takes_its_share_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]

    def look() -> float:
        now[0] += 1e-4
        return now[0]

    def run(_: object) -> None:
        now[0] += 2.0

    monkeypatch.setattr("gradgauge.gate.pairing.time.perf_counter", look)
    plain = Pass(lambda _: None, run)
    slowed(plain, 0.1).run(None)
    assert now[0] - 100.0 == pytest.approx(2.2, abs=1e-3)
