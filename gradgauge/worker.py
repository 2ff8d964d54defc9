"""The child process that measures: `python -m gradgauge.worker JOB`. It may die at any moment; its journal does not."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gradgauge.cases import Case
from gradgauge.catalog import builtin_folder
from gradgauge.job import Job
from gradgauge.journal import Journal, Pulse
from gradgauge.lifeline import die_first, die_with_parent
from gradgauge.runs import RunFolder

if TYPE_CHECKING:
    from gradgauge.session import Session

OWN_CONFIG = """[pytest]
filterwarnings = default
"""


def main(job_file: Path) -> int:
    """Measure what the job asks for; return 0 when the session ran to its end, whatever the verdicts are."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked to stop, and kills this process
    die_first()
    die_with_parent()
    job = Job.read(job_file)
    folder = RunFolder(Path(job.run))
    journal = Journal(folder.journal_jsonl)
    pulse = Pulse(folder.pulse)
    pulse.beat("importing torch")
    try:
        status = _measure(job, folder, journal, pulse)
    except _refusals() as refusal:
        journal.write("refused", message=str(refusal))
        return 0
    journal.write("finished", status=status)
    return 0


def _measure(job: Job, folder: RunFolder, journal: Journal, pulse: Pulse) -> int:
    import torch

    from gradgauge.session import Session

    torch.set_num_threads(job.threads or torch.get_num_threads())  # fixed, whatever the environment says later
    session = Session(job, folder, journal, pulse)
    journal.write("loading")
    assert session.devices, "there is a CPU at least"
    session.check_shapes()
    try:
        return int(pytest.main(_arguments(folder), plugins=[_Announcer(session)]))
    finally:
        session.ahead.stop()


def _refusals() -> tuple[type[Exception], ...]:
    from gradgauge.catalog import UnreadablePath
    from gradgauge.devices import UnknownDevice
    from gradgauge.session import UnfitShape

    return (UnknownDevice, UnreadablePath, UnfitShape)


def _arguments(folder: RunFolder) -> list[str]:
    """Return pytest's arguments: this project's plugin and pytest-benchmark, nothing of the caller's configuration."""
    config = folder.path / "pytest.ini"
    config.write_text(OWN_CONFIG, encoding="utf-8")
    suites = sorted(str(file) for file in builtin_folder("suites").resolve().glob("*.py") if file.name[0] not in "_.")
    own = ["-c", str(config), "--rootdir", str(folder.path), "--noconftest", "--import-mode=importlib"]
    plugins = ["-p", "pytest_benchmark.plugin", "-p", "gradgauge.plugin", "-p", "no:cacheprovider"]
    return [*own, *plugins, "-q", "--benchmark-quiet", *suites]


class _Announcer:
    """Hands the session to the plugin, and tells the parent the plan before the first case runs."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def pytest_configure(self, config: pytest.Config) -> None:
        """Put the session where the plugin looks for it."""
        from gradgauge.plugin import SESSION

        config.stash[SESSION] = self.session

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Announce the plan."""
        from gradgauge.announcement import announce
        from gradgauge.plugin import parameter_of

        # Of a suite without a case pytest makes an item, too, and skips it.
        cases = [item for item in session.items if isinstance(parameter_of(item), Case)]
        announce(self.session, items=len(cases))


if __name__ == "__main__":
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.exit(main(Path(sys.argv[1])))
