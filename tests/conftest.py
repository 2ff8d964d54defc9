"""Fixtures of all tests: the built-in catalog, a run folder."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradgauge.catalog import Catalog, builtin_folder, load
from gradgauge.runs import RunFolder

# A shell that starts this in the background has it ignore Ctrl-C; the tests that send it, and
# what they start, must not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Return the built-in functions, loaded once."""
    found = load([builtin_folder("implementations")])
    assert not found.broken
    return found


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Return a new, empty run folder."""
    return RunFolder.create(tmp_path / "results")


@pytest.fixture
def frozen() -> Iterator[None]:
    """Leave what was imported by now out of every collection of garbage, as a worker does: it takes 0.2 s each."""
    gc.freeze()
    yield
    gc.unfreeze()
