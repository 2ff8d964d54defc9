"""Load implementation files by path, without the catalog: these tests judge the files alone."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from torch import Tensor

ROOT = Path(__file__).parents[2]

Load = Callable[[str], ModuleType]
Call = Callable[..., Tensor]


def load_module(file: str) -> ModuleType:
    """Return the module of a file given relative to the repository, run once however often it is asked for."""
    name = "_tested_" + file.replace("/", "_").removesuffix(".py")
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / file)
        assert spec is not None
        assert spec.loader is not None
        # torch.compile looks a module up by its name, so it must stand there before it runs.
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def load() -> Load:
    """Return the loader: `load("implementations/relu/where.py")` is that file's module."""
    return load_module


@pytest.fixture
def call(load: Load, technique: str) -> Call:
    """Return the `call` of the parametrized technique, such as `relu/where`."""
    found: Call = load(f"implementations/{technique}.py").IMPLEMENTATION.call
    return found


@pytest.fixture
def reference(load: Load, technique: str) -> Call:
    """Return the `call` of the reference of the parametrized technique's function."""
    found: Call = load(f"implementations/{technique.split('/', maxsplit=1)[0]}/reference.py").IMPLEMENTATION.call
    return found
