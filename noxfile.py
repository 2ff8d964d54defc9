"""The project's sessions. `nox --list` is the manual; what follows `--` goes to the command that a session runs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import nox

# virtualenv installs with pip, and so from the indexes and caches that pip is set up with; uv has settings of its own.
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

CONSTRAINTS = "constraints.txt"
DECIDES_WHAT_IS_INSTALLED = ("pyproject.toml", CONSTRAINTS, "noxfile.py", "gradgauge/__init__.py")
CHECKED = ("gradgauge", "implementations", "suites", "calibration", "tests", *sorted(map(str, Path().glob("*.py"))))
CALIBRATIONS = ("load", "reproducibility", "copies")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure: gradgauge bench. `nox -s bench -- --preset quick` takes a minute; `-- --help` lists the options."""
    install(session, extras=("training",))
    gradgauge(session, "bench")


@nox.session
def profile(session: nox.Session) -> None:
    """Trace forward and backward: gradgauge profile. `nox -s profile -- --open` shows the traces in TensorBoard."""
    install(session, extras=("profile",))
    gradgauge(session, "profile")


@nox.session
def gate(session: nox.Session) -> None:
    """Judge the working tree against an earlier revision: gradgauge gate. `-- --base REV`; what is open passes."""
    install(session, extras=("training",))
    # nox turns every status into 1: what cannot be told must not look like a regression.
    gradgauge(session, "gate", "--cannot-tell", "pass")


@nox.session
def report(session: nox.Session) -> None:
    """Write the HTML report of a run: gradgauge report. `nox -s report -- --help` lists the options."""
    install(session, torch=False, extras=("parquet", "trend"))
    gradgauge(session, "report")


@nox.session
def tests(session: nox.Session) -> None:
    """Test gradgauge itself, with coverage. `nox -s tests -- -m 'not slow'` leaves out what takes seconds."""
    install(session, "tests", extras=("profile", "training", "parquet", "trend"))
    session.run("pytest", "--cov=gradgauge", "--cov-report=term", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and workflows. To repair the first two: `ruff check --fix` and `ruff format`."""
    install(session, "lint", project=False)
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check", *session.posargs)
    workflows = sorted(map(str, Path(".github/workflows").glob("*.yml")))
    session.run("zizmor", "--offline", "--strict-collection", ".github")
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    gitlab = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    session.run("check-jsonschema", *gitlab, "docs/gitlab-gate.yml")
    session.run("shellcheck", ".ci/run")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy in strict mode. `nox -s types -- FILE …` checks those files alone."""
    install(session, "types")
    session.run("mypy", *(session.posargs or CHECKED))


@nox.session
def calibration(session: nox.Session) -> None:
    """Measure gradgauge itself. `nox -s calibration -- NAME --help`, with NAME: load, reproducibility or copies."""
    name, *options = session.posargs or [""]
    if name not in CALIBRATIONS:
        session.error(f"calibration {name!r} is not one of: {', '.join(CALIBRATIONS)}")
    install(session)
    # As for gradgauge, which runs below it.
    session.run("python", "-m", f"calibration.{name}", *options, interrupt_timeout=30, terminate_timeout=10)


@nox.session
def timers(session: nox.Session) -> None:
    """Set our medians beside those of torch.utils.benchmark, on an accelerator of Triton. `-- --help` lists options."""
    install(session)
    session.run("python", "-m", "calibration.timers", *session.posargs)


def gradgauge(session: nox.Session, *command: str) -> None:
    """Run a gradgauge command with what follows `--`, which has the last word."""
    # After Ctrl-C gradgauge ends its worker and closes the run's files; nox would kill it after half a second.
    session.run("gradgauge", *command, *session.posargs, interrupt_timeout=30, terminate_timeout=10)


def install(
    session: nox.Session, *groups: str, project: bool = True, torch: bool = True, extras: tuple[str, ...] = ()
) -> None:
    """Install the dependency groups and gradgauge itself, editable, in the versions of constraints.txt.

    extras: gradgauge's own that come along.
    torch: whether to install it, which takes most of the time and the space; the report does without.
    Nothing happens where the environment already holds them, nor under `nox --no-venv`.
    """
    if session.virtualenv.venv_backend == "none":
        session.log("no environment of its own: gradgauge and its dependencies must be installed already")
        return
    stamp = Path(session.virtualenv.location) / "installed.sha256"
    wanted = digest(*groups, *extras, str(Path.cwd()))
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    stamp.unlink(missing_ok=True)
    pyproject = nox.project.load_toml()
    requirements = [*nox.project.dependency_groups(pyproject, *groups)]
    if project:
        requirements += nox.project.dependency_groups(pyproject, "build")
        requirements += [
            line for line in pyproject["project"]["dependencies"] if torch or not line.startswith("torch>")
        ]
        requirements += [line for extra in extras for line in pyproject["project"]["optional-dependencies"][extra]]
    session.install("-c", CONSTRAINTS, *dict.fromkeys(requirements))
    if project:
        # Without isolation the build runs with the pinned hatchling, and nothing more is downloaded.
        session.install("--no-deps", "--no-build-isolation", "-e", ".")
    # run_install, as `nox --no-install` must leave out the stamp together with the installing.
    write = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2], encoding='utf-8')"
    session.run_install("python", "-c", write, str(stamp), wanted, log=False)


def digest(*parts: str) -> str:
    """Return a hash of the files that decide what is installed, and of `parts`."""
    contents = (Path(name).read_bytes() for name in DECIDES_WHAT_IS_INSTALLED)
    return hashlib.sha256(b"\0".join((*contents, *(part.encode() for part in parts)))).hexdigest()
