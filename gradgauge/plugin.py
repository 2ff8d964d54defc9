"""The pytest plugin: collects suites, turns the plan into items, files what they measured.

Loaded by the worker, and by conftest.py so that `pytest suites` works by itself (preset quick, nothing filed).
Nothing heavy is imported before a suite is collected: `pytest tests` loads this module too.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gradgauge.catalog import builtin_folder

if TYPE_CHECKING:
    from gradgauge.gauge import BlockMemory, Gauge
    from gradgauge.session import Session

SESSION: pytest.StashKey[Session] = pytest.StashKey()
MEMORY: pytest.StashKey[BlockMemory] = pytest.StashKey()


class Disagreed(Exception):
    """A case with a failing verdict; the message lists its details."""

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect the files of `suites/`, which are named after their question rather than `test_*.py`."""
    named = parent.session.isinitpath(file_path)  # pytest collects these itself, and would so twice
    if file_path.suffix == ".py" and not named and file_path.parent == builtin_folder("suites").resolve():
        return pytest.Module.from_parent(parent, path=file_path)
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each suite's test one item a planned case."""
    suite = getattr(metafunc.module, "SUITE", None)
    if suite is None or "gauge" not in metafunc.fixturenames:
        return
    session = _session(metafunc.config)
    cases = session.plan(_suite_name(metafunc.module), suite)
    metafunc.parametrize("gauge", cases, ids=[case.slug for case in cases], indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run suites in their order, and keep this project's `filterwarnings = error` away from measured code."""
    gauged = [item for item in items if _suite(item)]
    for item in gauged:
        item.add_marker(pytest.mark.filterwarnings("default"))
    if gauged:
        items.sort(key=lambda item: _suite(item).order if _suite(item) else -1)


@pytest.fixture
def gauge(request: pytest.FixtureRequest) -> Iterator[Gauge]:
    """Give the engine for one case; file what it recorded, and fail when a verdict fails."""
    from gradgauge.gauge import BlockMemory, Gauge

    config, case = request.config, request.param
    session = _session(config)
    memory = config.stash.setdefault(MEMORY, BlockMemory(session))
    name = _suite_name(request.module)
    if session.suites[name].timed:
        session.ahead.stop()
    left_s = session.remaining_s(name)
    begun = memory.holds(name, case)  # then it is finished, too
    reached = (left_s is None or left_s > 0 or begun) and not session.is_unchecked(case)
    session.note_checked(case, reached=reached)
    if not reached:
        session.say("item", suite=name, case=case.to_json(), slug=case.slug, outcome="left out")
        pytest.skip("the preset's time is used up")
    gauge = Gauge(session, name, case, memory)
    gauge.step("starting")
    yield gauge
    for result in gauge.results:
        session.file(result)
    session.say("item", suite=name, case=case.to_json(), slug=case.slug, outcome="done")
    if gauge.failures and session.folder is None:
        raise Disagreed(*(f"{record.metric}: {record.detail}" for record in gauge.failures))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """File an exception that the suite itself did not expect: a case must never vanish without a record."""
    report = yield
    suite = _suite(item)
    if suite and call.excinfo and not call.excinfo.errisinstance((pytest.skip.Exception, Disagreed)):
        from gradgauge.loading import first_line
        from gradgauge.records import Record, Verdict

        case, metric = item.callspec.params["gauge"], suite.metrics[0]  # type: ignore[attr-defined]
        detail = f"the suite raised {first_line(call.excinfo.value)}"
        name = _suite_name(item.module)  # type: ignore[attr-defined]
        # A label of its own, as the suite may have filed this metric before it raised.
        record = Record(name, case, metric.name, None, metric.unit, Verdict.FAIL, detail, labels={"raised": name})
        _session(item.config).file(record)
    return report


def _session(config: pytest.Config) -> Session:
    from gradgauge.grid import Selection
    from gradgauge.job import Job
    from gradgauge.session import Session

    if SESSION not in config.stash:
        config.stash[SESSION] = Session(Job(run="", preset="quick", seed=0, selection=Selection()))
    return config.stash[SESSION]


def _suite(item: pytest.Item) -> Any:
    """Return the suite that the item is a case of, None for anybody else's test."""
    return getattr(getattr(item, "module", None), "SUITE", None) if parameter_of(item) is not None else None


def parameter_of(item: pytest.Item) -> Any:
    """Return what the item gives to its gauge: a case, or pytest's own mark where there is none to give."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("gauge") if callspec is not None else None


def _suite_name(module: Any) -> str:
    return Path(module.__file__).stem
