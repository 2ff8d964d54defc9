"""What there is to measure: folders read into values. Scanning needs no torch, loading runs the files."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from gradgauge.cases import REFERENCE
from gradgauge.loading import BrokenFile, load_module
from gradgauge.model import Function, Implementation

PACKAGE = Path(__file__).parent


class UnreadablePath(Exception):
    """An `--implementations` folder that holds nothing to read; the message names it."""


@dataclass(frozen=True)
class Broken:
    """A file that cannot take part, with the reason."""

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.file}{f':{self.line}' if self.line else ''}: {self.message}"


@dataclass(frozen=True)
class Sources:
    """The files found for one function: its definition, and technique → file."""

    name: str
    definition: Path | None
    techniques: Mapping[str, Path]


@dataclass(frozen=True)
class ImplementationEntry:
    """A loaded technique: its name, its file, the first line of its docstring and what it defines."""

    name: str
    file: Path
    summary: str
    implementation: Implementation


@dataclass(frozen=True)
class FunctionEntry:
    """A loaded function with its techniques, the reference among them."""

    name: str
    file: Path
    function: Function
    implementations: Mapping[str, ImplementationEntry]

    @property
    def reference(self) -> ImplementationEntry:
        """Return the correctness oracle."""
        return self.implementations[REFERENCE]


@dataclass(frozen=True)
class Catalog:
    """Everything that loaded, and by name what did not."""

    functions: Mapping[str, FunctionEntry]
    broken: tuple[Broken, ...] = ()


def builtin_folder(name: str) -> Path:
    """Return the folder `implementations` or `suites`: inside the package when installed, beside it in a checkout."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def is_builtin(file: Path) -> bool:
    """Whether a file is one of this project's own."""
    return file.is_relative_to(builtin_folder("implementations"))


def scan(roots: Sequence[Path]) -> tuple[dict[str, Sources], tuple[Broken, ...]]:
    """Return the files of every function below the roots, by name, and what is in the way (no file is run).

    A later root may add techniques to a function of an earlier one; a second file of one name is broken, the
    first one stands. Raises UnreadablePath for a root that is no folder or holds no function folder.
    """
    definitions: dict[str, Path] = {}
    techniques: dict[str, dict[str, Path]] = {}
    broken: list[Broken] = []
    for root in roots:
        for file in _python_files(root):
            name = file.parent.name
            known = definitions if file.stem == "function" else techniques.setdefault(name, {})
            key = name if file.stem == "function" else file.stem
            if not (name.isidentifier() and file.stem.isidentifier()):
                broken.append(Broken(str(file), None, f"{file.stem!r} in {name!r}: names must be Python identifiers"))
            elif key in known:
                broken.append(Broken(str(file), None, f"a second {name}/{file.name}; the first is {known[key]}"))
            else:
                known[key] = file
    names = sorted(set(definitions) | set(techniques))
    found = {name: Sources(name, definitions.get(name), techniques.get(name, {})) for name in names}
    return {name: found[name] for name in names if found[name].definition or found[name].techniques}, tuple(broken)


def _python_files(root: Path) -> list[Path]:
    if not root.is_dir():
        raise UnreadablePath(f"--implementations {root}: no such folder")
    try:
        files = sorted(root.glob("*/*.py"))
    except OSError as error:
        raise UnreadablePath(f"--implementations {root}: {error}") from error
    files = [
        file for file in files if not file.name.startswith(("_", ".")) and not file.parent.name.startswith((".", "_"))
    ]
    if not files:
        raise UnreadablePath(f"--implementations {root}: holds no function folder (<function>/<technique>.py)")
    return files


@dataclass
class _Loader:
    on_load: Callable[[Path], object]
    skip: Mapping[str, str]
    broken: list[Broken] = field(default_factory=list)

    def value(self, file: Path, name: str, kind: type) -> tuple[Any, ModuleType] | None:
        """Return what `file` defines under `name` and its module, or None with the reason noted."""
        if str(file) in self.skip:
            self.broken.append(Broken(str(file), None, self.skip[str(file)]))
            return None
        self.on_load(file)
        try:
            module = load_module(file)
        except BrokenFile as error:
            self.broken.append(Broken(str(file), error.line, error.message))
            return None
        value = getattr(module, name, None)
        if not isinstance(value, kind):
            self.broken.append(Broken(str(file), None, f"defines no {name} = {kind.__name__}(…)"))
            return None
        return value, module


def load(
    roots: Sequence[Path],
    functions: Sequence[str] = (),
    on_load: Callable[[Path], object] = str,
    skip: Mapping[str, str] | None = None,
) -> Catalog:
    """Run the files below the roots and return what they define.

    functions: the only ones to load, () for all. on_load: called before each file is run.
    skip: file → why it must not be run again (it killed a process).
    """
    found, problems = scan(roots)
    loader = _Loader(on_load, skip or {})
    entries = [_load_function(sources, loader) for name, sources in found.items() if not functions or name in functions]
    return Catalog({entry.name: entry for entry in entries if entry}, (*problems, *loader.broken))


def _load_function(sources: Sources, loader: _Loader) -> FunctionEntry | None:
    folder = next(iter(sources.techniques.values()), sources.definition)
    assert folder is not None
    if sources.definition is None:
        loader.broken.append(Broken(str(folder.parent), None, f"no function.py defines {sources.name}"))
        return None
    definition = loader.value(sources.definition, "FUNCTION", Function)
    implementations = {}
    for name, file in sources.techniques.items():
        found = loader.value(file, "IMPLEMENTATION", Implementation)
        problem = _mismatch(definition[0], found[0]) if definition and found else ""
        if problem:
            loader.broken.append(Broken(str(file), None, problem))
        elif found:
            implementations[name] = ImplementationEntry(name, file, _summary(found[1]), found[0])
    if definition is None:
        return None
    if REFERENCE not in implementations:
        loader.broken.append(Broken(str(sources.definition), None, f"{sources.name} has no reference.py that loads"))
        return None
    return FunctionEntry(sources.name, sources.definition, definition[0], implementations)


def _mismatch(function: Function, implementation: Implementation) -> str:
    points = [kink.name for kink in function.kinks if kink.point is not None]
    unknown = [name for name in implementation.convention if name not in points]
    if not unknown:
        return ""
    return f"convention names {unknown[0]!r}; the function's kinks at a point are {', '.join(points) or 'none'}"


def _summary(module: ModuleType) -> str:
    return (inspect.getdoc(module) or "").partition("\n")[0].strip()
