"""What changed between two folders of implementations, told from their files alone (no torch, nothing is run)."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gradgauge.catalog import Sources, scan
from gradgauge.gate.pair_job import Technique

ALIKE = 0.6
"""From this share of equal lines on, a technique that is gone and one that is new are taken for a renamed one."""


class Change(StrEnum):
    """What became of a technique."""

    SAME = "same"
    CHANGED = "changed"
    NEW = "new"
    REMOVED = "removed"
    RENAMED = "renamed"


@dataclass(frozen=True)
class Changes:
    """Technique → what became of it; `was`: of the renamed ones, the baseline's name. In the candidate's names."""

    found: Mapping[Technique, Change]
    was: Mapping[Technique, str]

    def of(self, *changes: Change) -> list[Technique]:
        """Return the techniques of which this became."""
        return [technique for technique, change in self.found.items() if change in changes]

    def in_both(self) -> list[tuple[str, str, str]]:
        """Return function, candidate's and baseline's name of what both sides have."""
        pairs = [each for each, change in self.found.items() if change not in (Change.NEW, Change.REMOVED)]
        return [(function, name, self.was.get((function, name), name)) for function, name in pairs]


def compare_files(baseline: tuple[Path, ...], candidate: tuple[Path, ...]) -> Changes:
    """Return what became of each technique below the folders. Raises UnreadablePath where a folder holds none."""
    before, after = _files(baseline), _files(candidate)
    found: dict[Technique, Change] = {}
    was: dict[Technique, str] = {}
    gone = [technique for technique in before if technique not in after]
    for technique, file in after.items():
        if technique in before:
            alike = code_digest(before[technique]) == code_digest(file)
            found[technique] = Change.SAME if alike else Change.CHANGED
            continue
        old = _most_alike(file, {each: before[each] for each in gone if each[0] == technique[0]})
        if old:
            gone.remove(old)
            found[technique], was[technique] = Change.RENAMED, old[1]
        else:
            found[technique] = Change.NEW
    return Changes(found | dict.fromkeys(gone, Change.REMOVED), was)


def code_digest(file: Path) -> str:
    """Return a hash of what a technique is made of: its file, and all that lies beside it and is no other technique.

    That is its function, the reference, helpers and sources of kernels, and what begins with `_` beside the function's
    folder: what any of these changes may change what is measured of the technique.
    """
    folder = file.parent
    files = {file, *_helpers(folder)}
    digest = hashlib.sha256()
    for each in sorted(files):
        # Its own name does not count: a renamed technique is the same code.
        name = "" if each == file else each.relative_to(folder.parent).as_posix()
        digest.update(name.encode() + b"\0" + each.read_bytes() + b"\0")
    return digest.hexdigest()


def _helpers(folder: Path) -> list[Path]:
    beside = [each for found in folder.parent.glob("_*") for each in (found.rglob("*") if found.is_dir() else (found,))]
    techniques = {each for each in folder.glob("*.py") if each.stem not in ("function", "reference")}
    within = [each for each in folder.rglob("*") if each not in techniques or each.name.startswith("_")]
    return [each for each in (*beside, *within) if each.is_file() and "__pycache__" not in each.parts]


def _files(folders: tuple[Path, ...]) -> dict[Technique, Path]:
    sources: Mapping[str, Sources] = scan(folders)[0] if folders else {}
    return {(name, technique): file for name, one in sources.items() for technique, file in one.techniques.items()}


def _most_alike(file: Path, gone: Mapping[Technique, Path]) -> Technique | None:
    text = file.read_text(encoding="utf-8", errors="replace").splitlines()
    shares = {
        technique: difflib.SequenceMatcher(
            None, old.read_text(encoding="utf-8", errors="replace").splitlines(), text, autojunk=False
        ).ratio()
        for technique, old in gone.items()
    }
    best = max(shares, key=lambda technique: shares[technique], default=None)
    return best if best and shares[best] >= ALIKE else None
