"""The workflows: who may do what in them, and their steps, run with fakes in place of gradgauge and GitHub."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from gradgauge.cli import app
from gradgauge.gate.markdown import MARKER

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
GITLAB = ROOT / "docs" / "gitlab-gate.yml"
COMMENT = "gate-comment.yml"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
"""How GitHub starts `shell: bash`."""
NEEDED = ("bash", "jq", "unzip", "git")
MISSING = [tool for tool in NEEDED if shutil.which(tool) is None]

runs_steps = pytest.mark.skipif(os.name == "nt" or bool(MISSING), reason=f"steps are for Linux; missing: {MISSING}")


def read(name: str) -> dict[str, Any]:
    # BaseLoader leaves every value text; others would take the key `on` for true.
    found = yaml.load((FOLDER / name).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    assert isinstance(found, dict)
    return found


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in read(name)["jobs"].values():
        yield from job.get("steps", ())


def step(name: str, title: str) -> dict[str, Any]:
    (found,) = (each for each in steps(name) if each.get("name") == title)
    return found


def names(files: list[Path]) -> list[str]:
    return [file.name for file in files]


def find_scripts() -> Iterator[tuple[str, str]]:
    """Yield a name and the shell of every step."""
    for file in FILES:
        for number, each in enumerate(steps(file.name)):
            if "run" in each:
                yield f"{file.name}-{number}", each["run"]
    job = yaml.load(GITLAB.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)["gradgauge-gate"]
    yield GITLAB.name, "\n".join([*job["before_script"], *job["script"]])


SCRIPTS = dict(find_scripts())


@pytest.mark.parametrize("file", FILES, ids=names(FILES))
def test_actions_are_pinned_to_commits_whose_version_is_said(file: Path) -> None:
    lines = re.findall(r"^\s*(?:- )?uses: (.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    jobs = read(file.name)["jobs"].values()
    assert len(lines) == sum("uses" in each for each in (*steps(file.name), *jobs))
    for line in lines:
        if line.startswith("./"):
            assert (ROOT / line.split()[0]).is_file(), line
        else:
            assert PINNED.fullmatch(line.removesuffix(" # zizmor: ignore[self-repository]")), line


def test_an_action_has_one_version() -> None:
    used = {each["uses"] for file in FILES for each in steps(file.name) if "uses" in each}
    actions = [each.split("@")[0] for each in used]
    assert len(actions) == len(set(actions)), sorted(used)


@pytest.mark.parametrize("file", FILES, ids=names(FILES))
def test_only_the_comment_may_write_and_nothing_but_comments(file: Path) -> None:
    workflow = read(file.name)
    granted = {job: job_keys["permissions"] for job, job_keys in workflow["jobs"].items() if "permissions" in job_keys}
    if file.name == COMMENT:
        assert workflow["permissions"] == {}
        assert granted == {"comment": {"actions": "read", "pull-requests": "write"}}
    else:
        assert workflow["permissions"] == {"contents": "read"}
        assert granted == {}
    assert "secrets" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_no_expression_is_pasted_into_shell(script: str) -> None:
    assert "${{" not in script


@pytest.mark.parametrize("file", FILES, ids=names(FILES))
def test_checkouts_leave_no_token_behind(file: Path) -> None:
    for each in steps(file.name):
        if each.get("uses", "").startswith("actions/checkout@"):
            assert each["with"]["persist-credentials"] == "false"
            # A checkout of what is gated, which needs its base, says no repository.
            assert each["with"].get("fetch-depth") == (None if "repository" in each["with"] else "0")


def test_the_workflow_that_may_write_runs_nothing_of_the_pull_request() -> None:
    assert not [each["uses"] for each in steps(COMMENT) if "uses" in each], "no checkout, and no action at all"
    text = (FOLDER / COMMENT).read_text(encoding="utf-8")
    assert not re.search(r"\bgit (clone|fetch|checkout)\b|pip install|python", text)


def test_the_workflow_that_may_write_listens_to_the_gate() -> None:
    (heard,) = read(COMMENT)["on"]["workflow_run"]["workflows"]
    (source,) = (file for file in FILES if read(file.name)["name"] == heard)
    workflow = read(source.name)
    assert set(workflow["on"]) == {"pull_request"}
    (job,) = workflow["jobs"].values()
    assert job["uses"] == "./.github/workflows/gate.yml"
    artifact = read("gate.yml")["on"]["workflow_call"]["inputs"]["artifact"]["default"]
    assert f"name={artifact} " in step(COMMENT, "Download what the gate found")["run"]
    assert read(COMMENT)["jobs"]["comment"]["env"]["MARKER"] == MARKER


def callers() -> Iterator[dict[str, Any]]:
    """Yield each job that calls gate.yml, those that docs/ci.md shows included."""
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    documented = re.findall(r"^```yaml\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    workflows = [read(file.name) for file in FILES] + [yaml.load(text, Loader=yaml.BaseLoader) for text in documented]
    for workflow in workflows:
        for job in workflow.get("jobs", {}).values():
            if "gate.yml" in job.get("uses", ""):
                yield job


def test_callers_name_inputs_that_there_are() -> None:
    inputs = set(read("gate.yml")["on"]["workflow_call"]["inputs"])
    found = list(callers())
    assert len(found) >= 2
    for job in found:
        assert set(job.get("with", {})) <= inputs


def test_every_input_is_read() -> None:
    text = (FOLDER / "gate.yml").read_text(encoding="utf-8")
    for name in read("gate.yml")["on"]["workflow_call"]["inputs"]:
        assert f"inputs.{name}" in text, name


def test_options_of_the_gate_are_its_own() -> None:
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)
    known = {
        f"gradgauge {name}": {option for each in commands.commands[name].params for option in each.opts}
        for name in ("gate", "accept")
    }
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    accepting = re.findall(r"^\$ gradgauge accept.*$", page, flags=re.MULTILINE)
    gating = [step("gate.yml", "Gate")["run"], SCRIPTS[GITLAB.name], page[: page.index("## Accept a change")]]
    for command, texts in {"gradgauge accept": accepting, "gradgauge gate": gating}.items():
        named = {option for text in texts for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)}
        assert named, command
        assert named <= known[command], command


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_shellcheck_finds_nothing_in_a_step(script: str) -> None:
    # Found beside this Python even where its environment is not activated.
    tool = shutil.which("shellcheck", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
    if tool is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(
        [tool, "--shell=bash", "-"], input=script, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout


class Runner:
    """A folder that stands for a runner: RUNNER_TEMP, fakes on the PATH, and what the steps write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin, self.temp = folder / "bin", folder / "temp"
        self.bin.mkdir()
        self.temp.mkdir()
        self.environment = os.environ | {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            "GITHUB_REPOSITORY": "us/kernels",
            "GITHUB_BASE_REF": "",
            "MARKER": MARKER,
            "FOLDER": str(folder),
        }

    def fake(self, name: str, shell: str) -> None:
        """Put a command on the PATH, which notes its arguments, one a line, in NAME.calls."""
        file = self.bin / name
        noted = f'{{ printf "%s\\n" "$@"; echo; }} >> "$FOLDER/{name}.calls"'
        file.write_text(f"#!/usr/bin/env bash\n{noted}\n{shell}\n", encoding="utf-8")
        file.chmod(0o755)

    def calls(self, name: str) -> list[list[str]]:
        file = self.folder / f"{name}.calls"
        if not file.exists():
            return []
        return [call.split("\n") for call in file.read_text(encoding="utf-8").removesuffix("\n\n").split("\n\n")]

    def run(self, workflow: str, title: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the step of that title; what it takes of expressions must be given."""
        found = step(workflow, title)
        taken = {key for key, value in found.get("env", {}).items() if "${{" in value}
        assert taken == set(environment), "an environment that the step does not have"
        plain = {key: value for key, value in found.get("env", {}).items() if key not in taken}
        file = self.folder / "step.sh"
        file.write_text(found["run"], encoding="utf-8")
        return subprocess.run(
            [*SHELL, str(file)],
            cwd=self.folder,
            env=self.environment | plain | environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def output(self) -> str:
        file = self.folder / "output"
        return file.read_text(encoding="utf-8") if file.exists() else ""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


DEFAULTS = {
    "IMPLEMENTATIONS": "",
    "BASE": "",
    "TOLERANCE": "",
    "BUDGET": "",
    "CANNOT_TELL": "pass",
    "ARGUMENTS": "",
}


@runs_steps
def test_each_line_of_the_arguments_is_one_argument(runner: Runner) -> None:
    runner.fake("gradgauge", "exit 0")
    hostile = "--function\nre lu\n\n$(touch broken)\n`touch broken`; touch broken\n*"
    given = DEFAULTS | {"BASE": "--help", "TOLERANCE": "3%", "IMPLEMENTATIONS": "my kernels", "ARGUMENTS": hostile}
    assert runner.run("gate.yml", "Gate", **given).returncode == 0
    (call,) = runner.calls("gradgauge")
    assert call == [
        "gate",
        f"--results={runner.temp}/gradgauge",
        "--cannot-tell=fail",
        "--base=--help",
        "--implementations=my kernels",
        "--tolerance=3%",
        "--function",
        "re lu",
        "$(touch broken)",
        "`touch broken`; touch broken",
        "*",
    ]
    assert not (runner.folder / "broken").exists()


@runs_steps
@pytest.mark.parametrize(
    ("status", "cannot_tell", "expected"),
    [
        (0, "pass", 0),
        (1, "pass", 1),
        (2, "pass", 2),
        (3, "pass", 0),
        (3, "fail", 3),
        (3, "Pass", 3),
        (130, "pass", 130),
    ],
)
def test_the_gate_step_ends_as_the_gate_does(runner: Runner, status: int, cannot_tell: str, expected: int) -> None:
    runner.fake("gradgauge", f"exit {status}")
    done = runner.run("gate.yml", "Gate", **DEFAULTS | {"CANNOT_TELL": cannot_tell})
    assert done.returncode == expected
    assert ("::warning" in done.stdout) == ((status, expected) == (3, 0))


@runs_steps
def test_a_pull_request_is_compared_with_the_tip_that_it_was_merged_into(runner: Runner) -> None:
    runner.fake("gradgauge", "exit 0")

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=runner.folder, capture_output=True, text=True, encoding="utf-8", check=True
        )
        return done.stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    git("commit", "--quiet", "--allow-empty", "--message=fork point")
    git("checkout", "--quiet", "-b", "change")
    git("commit", "--quiet", "--allow-empty", "--message=change")
    git("checkout", "--quiet", "main")
    git("commit", "--quiet", "--allow-empty", "--message=tip")
    tip = git("rev-parse", "HEAD")
    git("checkout", "--quiet", "--detach")
    git("merge", "--quiet", "--no-ff", "--message=GitHub's merge", "change")
    git("update-ref", "refs/remotes/origin/main", tip)

    runner.environment["GITHUB_BASE_REF"] = "main"
    assert runner.run("gate.yml", "Gate", **DEFAULTS).returncode == 0
    assert f"--base={tip}" in runner.calls("gradgauge")[0]


@runs_steps
def test_requirements_are_arguments_of_pip(runner: Runner) -> None:
    runner.fake("python", "exit 0")
    given = {"GRADGAUGE": "../gradgauge", "REQUIREMENTS": ".\ntorch==2.13.0; x", "PIP_EXTRA_INDEX_URL": ""}
    assert runner.run("gate.yml", "Install", **given).returncode == 0
    assert runner.calls("python") == [
        ["-m", "pip", "install", "--editable", "../gradgauge", ".", "torch==2.13.0; x"],
    ]


@runs_steps
def test_the_summary_and_the_artifact_hold_what_there_is(runner: Runner) -> None:
    assert runner.run("gate.yml", "Write the summary").returncode == 0, "where the gate wrote nothing"
    gates = runner.temp / "gradgauge" / "gates"
    (gates / "one").mkdir(parents=True)
    (gates / "latest").symlink_to("one")
    for name in ("gate.md", "gate.json", "junit.xml", "report.html", "records.jsonl"):
        (gates / "one" / name).write_text(name, encoding="utf-8")
    assert runner.run("gate.yml", "Write the summary").returncode == 0
    assert (runner.folder / "summary.md").read_text(encoding="utf-8") == "gate.md"
    assert {file.name for file in (runner.folder / "gate").iterdir()} == {
        "gate.md",
        "gate.json",
        "junit.xml",
        "report.html",
    }


@runs_steps
def test_a_workflow_that_does_not_know_its_own_commit_stops(runner: Runner) -> None:
    title = "Find out which gradgauge this workflow belongs to"
    known = {"WORKFLOW_REPOSITORY": "us/gradgauge", "WORKFLOW_SHA": "a" * 40}
    assert runner.run("gate.yml", title, **known).returncode == 0
    assert runner.run("gate.yml", title, **known | {"WORKFLOW_SHA": ""}).returncode == 1


HEAD = {
    "HEAD_OWNER": "them",
    "HEAD_REPOSITORY": "them/kernels",
    "HEAD_BRANCH": 'x"; touch broken; $(touch broken)',
    "HEAD_SHA": "c" * 40,
}


def pull(number: int, sha: str = "c" * 40, repository: str | None = "them/kernels") -> dict[str, Any]:
    return {"number": number, "head": {"sha": sha, "repo": repository and {"full_name": repository}}}


@runs_steps
@pytest.mark.parametrize(
    ("pulls", "expected"),
    [
        ([pull(7)], "number=7\n"),
        ([pull(7), pull(8, sha="d" * 40), pull(9, repository="else/kernels"), pull(10, repository=None)], "number=7\n"),
        ([], ""),
        ([pull(7), pull(8)], ""),
        ([pull(8, sha="d" * 40)], ""),
    ],
    ids=["one", "one of many", "none", "two", "moved on"],
)
def test_the_pull_request_is_the_one_at_the_commit_that_ran(
    runner: Runner, pulls: list[dict[str, Any]], expected: str
) -> None:
    (runner.folder / "pulls.json").write_text(json.dumps(pulls), encoding="utf-8")
    runner.fake("gh", 'cat "$FOLDER/pulls.json"')
    done = runner.run(COMMENT, "Find the pull request", **HEAD)
    assert done.returncode == 0, done.stderr
    assert runner.output() == expected
    assert ("::notice" in done.stdout) == (not expected)
    assert f"head=them:{HEAD['HEAD_BRANCH']}" in runner.calls("gh")[0]
    assert not (runner.folder / "broken").exists()


@runs_steps
@pytest.mark.parametrize(
    ("artifacts", "taken"),
    [
        ([{"id": 3, "expired": False, "size_in_bytes": 10}, {"id": 4, "expired": False, "size_in_bytes": 10}], "4"),
        ([{"id": 3, "expired": False, "size_in_bytes": 10}, {"id": 4, "expired": True, "size_in_bytes": 10}], "3"),
        ([{"id": 3, "expired": False, "size_in_bytes": 50_000_001}], None),
        ([], None),
    ],
    ids=["the newest", "not expired", "too large", "none"],
)
def test_the_newest_artifact_of_a_fair_size_is_downloaded(
    runner: Runner, artifacts: list[dict[str, Any]], taken: str | None
) -> None:
    (runner.folder / "artifacts.json").write_text(json.dumps({"artifacts": artifacts}), encoding="utf-8")
    runner.fake("gh", 'case "$*" in */zip) echo zipped ;; *) cat "$FOLDER/artifacts.json" ;; esac')
    done = runner.run(COMMENT, "Download what the gate found", RUN_ID="12")
    assert done.returncode == 0, done.stderr
    assert runner.output() == ("done=true\n" if taken else "")
    assert runner.calls("gh")[1:] == ([["api", f"repos/us/kernels/actions/artifacts/{taken}/zip"]] if taken else [])


def write_comment(runner: Runner, text: str | None) -> subprocess.CompletedProcess[str]:
    with zipfile.ZipFile(runner.temp / "gate.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../escaped", "no")
        if text is not None:
            archive.writestr("gate.md", text)
    url = "https://github.com/us/kernels/actions/runs/12"
    return runner.run(COMMENT, "Write the comment", RUN_URL=url, HEAD_SHA="c" * 40)


def body(runner: Runner) -> str:
    written = json.loads((runner.temp / "comment.json").read_text(encoding="utf-8"))
    assert set(written) == {"body"}
    return str(written["body"])


@runs_steps
def test_the_comment_is_the_gates_page_with_its_origin(runner: Runner) -> None:
    done = write_comment(runner, f"{MARKER}\n### passed\n\n`µ` | ≤ 3 %\n")
    assert done.returncode == 0, done.stderr
    first, origin, *rest = body(runner).split("\n")
    assert first == MARKER
    assert "https://github.com/us/kernels/actions/runs/12" in origin
    assert "\n".join(rest) == "\n### passed\n\n`µ` | ≤ 3 %\n"
    assert not (runner.folder.parent / "escaped").exists()


@runs_steps
@pytest.mark.parametrize("text", ["", "### passed", f" {MARKER}\n", f"{MARKER}x\n", None])
def test_what_does_not_begin_as_the_gates_page_is_no_comment(runner: Runner, text: str | None) -> None:
    done = write_comment(runner, text)
    assert done.returncode != 0
    assert "does not begin with" in done.stderr


@runs_steps
def test_a_comment_calls_nobody_and_passes_for_no_other_tools(runner: Runner) -> None:
    assert write_comment(runner, f"{MARKER}\n@us/everybody <!-- other-tool --> {MARKER}").returncode == 0
    written = body(runner).removeprefix(MARKER)
    assert not re.search(r"@\w", written)
    assert "<!--" not in written


@runs_steps
@pytest.mark.parametrize("filling", ["a", "@", "≤", "\n<!--", "\0"])
def test_a_huge_page_is_cut(runner: Runner, filling: str) -> None:
    done = write_comment(runner, f"{MARKER}\n" + filling * 3_000_000)
    assert done.returncode == 0, done.stderr
    assert len(body(runner)) <= 65_000


@runs_steps
@pytest.mark.parametrize(
    ("comments", "expected"),
    [
        ([], ["POST", "repos/us/kernels/issues/7/comments"]),
        (
            [("them", f"{MARKER}\nmine"), ("github-actions[bot]", f"see {MARKER}"), ("github-actions[bot]", "other")],
            ["POST", "repos/us/kernels/issues/7/comments"],
        ),
        (
            [("them", MARKER), ("github-actions[bot]", f"{MARKER}\nold"), ("github-actions[bot]", f"{MARKER}\nnew")],
            ["PATCH", "repos/us/kernels/issues/comments/1"],
        ),
    ],
    ids=["none", "nobody's", "ours"],
)
def test_one_comment_is_kept_up_to_date(runner: Runner, comments: list[tuple[str, str]], expected: list[str]) -> None:
    listed = [{"id": k, "user": {"login": who}, "body": text} for k, (who, text) in enumerate(comments)]
    # Two pages, the second empty, as `gh api --paginate` prints them.
    (runner.folder / "comments.json").write_text(json.dumps(listed) + "\n[]", encoding="utf-8")
    runner.fake("gh", 'case "$*" in *--paginate*) cat "$FOLDER/comments.json" ;; *) echo "{}" ;; esac')
    done = runner.run(COMMENT, "Post it, in place of the last one", NUMBER="7")
    assert done.returncode == 0, done.stderr
    _, call = runner.calls("gh")
    assert call == ["api", "--method", *expected, "--input", f"{runner.temp}/comment.json"]
