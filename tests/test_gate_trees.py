"""Revisions laid out from git, and what changed between two folders of files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gradgauge.cases import Case
from gradgauge.gate.changes import Change, code_digest, compare_files
from gradgauge.gate.limits import BadLimits, Limits
from gradgauge.gate.trees import NoRepository, NoRevision, NotLaidOut, Repository
from tests.fakes import ROOT, technique_py, write_function

TWICE = technique_py("def call(x):\n    return 2 * x\n")
SUM = technique_py("def call(x):\n    return x + x\n")


def git(top: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=main"]
    command = ["git", "-C", str(top), *settings, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit(top: Path, message: str = "a change") -> str:
    git(top, "add", "-A")
    git(top, "commit", "-q", "--allow-empty", "-m", message)
    return git(top, "rev-parse", "HEAD")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Return a repository whose folder `mine` has a function with its reference."""
    top = tmp_path / "repository"
    write_function(top / "mine", twice_again=TWICE)
    git(top, "init", "-q")
    commit(top)
    return top


def repository(top: Path) -> Repository:
    return Repository.around([top / "mine"])


def test_on_the_default_branch_the_base_is_the_commit_before(top: Path) -> None:
    first = git(top, "rev-parse", "HEAD")
    commit(top)
    assert repository(top).default_base() == ("the commit before", first)


def test_with_uncommitted_changes_the_base_is_the_last_commit(top: Path) -> None:
    (top / "mine" / "twice" / "sum.py").write_text(SUM, encoding="utf-8")
    assert repository(top).default_base() == ("HEAD", git(top, "rev-parse", "HEAD"))
    assert repository(top).working_tree().side.dirty


def test_on_a_branch_the_base_is_where_it_left_the_default_branch(top: Path) -> None:
    fork = git(top, "rev-parse", "HEAD")
    git(top, "checkout", "-q", "-b", "mine")
    commit(top)
    git(top, "checkout", "-q", "main")
    commit(top, "meanwhile")
    git(top, "checkout", "-q", "mine")
    assert repository(top).default_base() == ("merge base with main", fork)


def test_the_first_commit_has_no_base(top: Path) -> None:
    with pytest.raises(NoRevision, match="no commit before it"):
        repository(top).default_base()


def test_a_shallow_clone_says_how_to_get_the_history(top: Path, tmp_path: Path) -> None:
    commit(top)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{top}", "shallow")
    shallow = Repository.around([tmp_path / "shallow" / "mine"])
    with pytest.raises(NoRevision, match="fetch-depth: 0"):
        shallow.default_base()
    with pytest.raises(NoRevision, match=r"'nosuch'.*fetch-depth: 0"):
        shallow.commit("nosuch")


def test_a_revision_that_is_not_there_is_named(top: Path) -> None:
    with pytest.raises(NoRevision, match="--base 'nosuch'"):
        repository(top).commit("nosuch")
    with pytest.raises(NoRevision, match="--base '--help'"):
        repository(top).commit("--help")


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoRepository, match="not in a git repository"):
        Repository.around([write_function(tmp_path / "loose")])


def test_a_revision_is_laid_out_and_cleared_away(top: Path) -> None:
    first = git(top, "rev-parse", "HEAD")
    file = top / "mine" / "twice" / "twice_again.py"
    file.write_text(SUM, encoding="utf-8")
    commit(top)
    with repository(top).laid_out("before", first) as tree:
        (folder,) = tree.folders
        assert folder is not None
        assert (folder / "twice" / "twice_again.py").read_text(encoding="utf-8") == TWICE
        assert file.read_text(encoding="utf-8") == SUM
        assert (tree.side.name, tree.side.commit, tree.side.dirty) == ("before", first, False)
    assert not folder.exists()
    assert len(git(top, "worktree", "list").splitlines()) == 1


def test_within_a_git_hook_the_gated_repository_is_asked(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = git(top, "rev-parse", "HEAD")
    write_function(tmp_path / "other" / "mine")
    git(tmp_path / "other", "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other" / ".git" / "index"))
    assert repository(top).commit("HEAD") == head
    with repository(top).laid_out("HEAD", head) as tree:
        assert tree.folders[0] is not None


def test_a_commit_is_whole_though_its_hook_lays_a_revision_out(top: Path) -> None:
    hook = top / ".git" / "hooks" / "pre-commit"
    layout = "r = Repository.around([Path('mine').resolve()])\nwith r.laid_out('HEAD', r.commit('HEAD')): pass"
    script = f"from pathlib import Path\nfrom gradgauge.gate.trees import Repository\n{layout}\n"
    hook.write_text(f"#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} - <<'END'\n{script}END\n", encoding="utf-8")
    hook.chmod(0o755)
    (top / "mine" / "twice" / "twice_again.py").write_text(SUM, encoding="utf-8")
    git(top, "commit", "-q", "-a", "-m", "a change")
    assert git(top, "show", "HEAD:mine/twice/twice_again.py") == SUM.strip()
    assert not git(top, "status", "--porcelain")


def test_links_within_the_repository_are_followed_and_others_refused(top: Path, tmp_path: Path) -> None:
    write_function(top / "library", "thrice")
    (top / "mine" / "thrice").symlink_to("../library/thrice")
    inside = commit(top)
    with repository(top).laid_out("inside", inside) as tree:
        assert tree.folders[0] is not None
        assert (tree.folders[0] / "thrice" / "reference.py").is_file()
    (top / "mine" / "away").symlink_to(write_function(tmp_path / "elsewhere", "away") / "away")
    outside = commit(top)
    with pytest.raises(NotLaidOut, match="mine/away is a link that leads out"), repository(top).laid_out("o", outside):
        pass
    assert len(git(top, "worktree", "list").splitlines()) == 1


def test_a_folder_that_the_revision_lacks_is_none(top: Path) -> None:
    first = git(top, "rev-parse", "HEAD")
    write_function(top / "more", "thrice")
    commit(top)
    with Repository.around([top / "mine", top / "more"]).laid_out("before", first) as tree:
        assert [folder is None for folder in tree.folders] == [False, True]


def test_whether_a_shared_file_differs(top: Path) -> None:
    first = git(top, "rev-parse", "HEAD")
    same, other = top / "mine" / "twice" / "function.py", top / "helpers.py"
    other.write_text("x = 1\n", encoding="utf-8")
    commit(top)
    assert not repository(top).differs(same, first)
    assert repository(top).differs(other, first)


def changes(tmp_path: Path, before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[Change, str]]:
    one, other = write_function(tmp_path / "a", **before), write_function(tmp_path / "b", **after)
    found = compare_files((one,), (other,))
    return {name: (change, found.was.get((function, name), "")) for (function, name), change in found.found.items()}


def test_what_became_of_each_technique(tmp_path: Path) -> None:
    before = {"same": TWICE, "changed": TWICE, "gone": "something\nelse\nentirely\n"}
    found = changes(tmp_path, before, {"same": TWICE, "changed": SUM, "fresh": SUM})
    assert found == {
        "reference": (Change.SAME, ""),
        "same": (Change.SAME, ""),
        "changed": (Change.CHANGED, ""),
        "fresh": (Change.NEW, ""),
        "gone": (Change.REMOVED, ""),
    }


def test_a_renamed_technique_is_known_even_if_a_line_changed(tmp_path: Path) -> None:
    found = changes(tmp_path, {"old": TWICE}, {"new": TWICE.replace("2 * x", "x * 2")})
    assert found["new"] == (Change.RENAMED, "old")
    assert "old" not in found


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("twice/function.py", True),
        ("twice/reference.py", True),
        ("twice/_helper.py", True),
        ("twice/csrc/kernel.cpp", True),
        ("_common.py", True),
        ("_library/act.py", True),
        ("twice/sibling.py", False),
        ("accepted.json", False),
        ("twice/__pycache__/mine.pyc", False),
        ("other/_helper.py", False),
    ],
)
def test_what_a_technique_rests_on_is_part_of_its_code(tmp_path: Path, name: str, counts: bool) -> None:
    root = write_function(tmp_path / "a", mine=TWICE)
    before = code_digest(root / "twice" / "mine.py")
    (root / name).parent.mkdir(exist_ok=True)
    with (root / name).open("a", encoding="utf-8") as file:
        file.write("# a change\n")
    assert (code_digest(root / "twice" / "mine.py") != before) is counts


def limits(tmp_path: Path, text: str) -> Limits:
    file = tmp_path / "pyproject.toml"
    file.write_text(text, encoding="utf-8")
    return Limits.read(file)


def test_tolerances_are_read_and_the_closest_pattern_counts(tmp_path: Path) -> None:
    found = limits(
        tmp_path,
        '[tool.gradgauge.gate]\ntolerance = "4%"\nfloor_ns = 250\n[tool.gradgauge.gate.tolerances]\n'
        'relu = "5%"\n"relu/where/compiled" = 0.1\n"*/*/*/backward" = "8%"\n',
    )
    case = Case("relu", "where", "compiled", "forward", "cpu", "float32", "8")
    assert found.of(case).tolerance == pytest.approx(0.1)
    assert found.of(case).floor_s == pytest.approx(250e-9)
    assert found.of(Case("relu", "native", "eager", "forward", "cpu", "float32", "8")).tolerance == pytest.approx(0.05)
    assert found.of(Case("relu", "where", "compiled", "backward", "cpu", "", "8")).tolerance == pytest.approx(0.08)
    assert found.of(Case("multiply", "where", "eager", "forward", "cpu", "", "8")).tolerance == pytest.approx(0.04)


def test_without_a_file_or_a_table_the_limits_are_the_usual_ones(tmp_path: Path) -> None:
    assert Limits.read(tmp_path / "pyproject.toml") == Limits()
    assert limits(tmp_path, "[project]\nname = 'x'\n").tolerance == Limits().tolerance


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tolerance = '3'", "must lie between 0 and 1"),
        ("tolerance = 'much'", "neither a percentage"),
        ("tolerance = true", "must lie between 0 and 1"),
        ("tolerence = '3%'", "tolerence is not one of: tolerance, floor_ns, tolerances"),
        ("floor_ns = -1", "no number of nanoseconds"),
        ("floor_ns = 'x'", "no number of nanoseconds"),
        ("tolerances = 3", "is no table"),
        ("tolerances = {relu = '200%'}", "tolerance of 'relu'"),
        ("tolerance = ", "not TOML"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadLimits, match=said):
        limits(tmp_path, f"[tool.gradgauge.gate]\n{text}\n")
