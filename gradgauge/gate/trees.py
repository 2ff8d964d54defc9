"""Revisions of a git repository, laid out side by side in worktrees (no torch)."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gradgauge.gate.findings import Side

DEFAULT_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
_HARMLESS = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_COUNT", "GIT_EXEC_PATH")
SHALLOW = "this clone is shallow: fetch the whole history (in GitHub Actions `fetch-depth: 0`)"


class NoRevision(Exception):
    """A revision that the repository does not have; the message names it and the remedy."""


class NoRepository(Exception):
    """Folders that belong to no one git repository; the message names them."""


class NotLaidOut(Exception):
    """A revision that cannot be laid out on disk; the message is git's."""


@dataclass(frozen=True)
class Tree:
    """One side on disk. folders: the implementations, as many as are gated; those that this side lacks are None."""

    side: Side
    folders: tuple[Path | None, ...]


@dataclass(frozen=True)
class Repository:
    """A git repository. top: its working tree; folders: the gated implementations folders within it."""

    top: Path
    folders: tuple[Path, ...]

    @classmethod
    def around(cls, folders: Sequence[Path]) -> Repository:
        """Return the repository that holds the folders; raise NoRepository where it is none, or not one."""
        tops = {folder: _ask(folder, "rev-parse", "--show-toplevel") for folder in folders}
        homeless = [str(folder) for folder, top in tops.items() if top is None]
        if homeless:
            raise NoRepository(
                f"{', '.join(homeless)}: not in a git repository, so there is no revision to gate against"
            )
        if len(set(tops.values())) > 1:
            raise NoRepository(
                f"the folders lie in {len(set(tops.values()))} repositories: {', '.join(map(str, folders))}"
            )
        top = Path(next(iter(tops.values())) or "")
        return cls(top.resolve(), tuple(folder.resolve() for folder in folders))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the folders relative to the top, as git names them."""
        return tuple(folder.relative_to(self.top).as_posix() for folder in self.folders)

    def commit(self, revision: str, given: str = "--base ") -> str:
        """Return the full hash of a revision; raise NoRevision. given: what the user gave it as."""
        found = _ask(self.top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if not found:
            hint = f"; {SHALLOW}" if self.is_shallow else ""
            raise NoRevision(f"{given}{revision!r} is no commit of {self.top}{hint}")
        return found

    @property
    def is_shallow(self) -> bool:
        """Whether the clone lacks its history."""
        return _ask(self.top, "rev-parse", "--is-shallow-repository") == "true"

    @property
    def is_dirty(self) -> bool:
        """Whether the gated folders hold what is in no commit."""
        return bool(_ask(self.top, "status", "--porcelain", "--", *self.names))

    def default_base(self) -> tuple[str, str]:
        """Return the name and the hash of what a candidate is judged against unless somebody chooses.

        The merge base with the default branch; on that branch itself the last commit, where the working tree differs
        from it, else the one before. Raises NoRevision where there is none.
        """
        head = self.commit("HEAD", "")
        branch = next(
            (name for name in DEFAULT_BRANCHES if _ask(self.top, "rev-parse", "--verify", "--quiet", name)), ""
        )
        base = _ask(self.top, "merge-base", "HEAD", branch) if branch else None
        if branch and base is None:
            hint = f"; {SHALLOW}" if self.is_shallow else ""
            raise NoRevision(f"HEAD has no merge base with {branch}{hint}")
        if base is not None and base != head:
            return f"merge base with {branch}", base
        if self.is_dirty:
            return "HEAD", head
        before = _ask(self.top, "rev-parse", "--verify", "--quiet", "HEAD~1")
        if before is None:
            raise NoRevision(f"HEAD has no commit before it{f'; {SHALLOW}' if self.is_shallow else ''}")
        return "the commit before", before

    def working_tree(self) -> Tree:
        """Return what lies on disk now."""
        folders = tuple(folder if folder.is_dir() else None for folder in self.folders)
        return Tree(Side("working tree", "working tree", self.commit("HEAD", ""), self.is_dirty), folders)

    @contextmanager
    def laid_out(self, name: str, commit: str) -> Iterator[Tree]:
        """Lay the gated folders of a commit out in a worktree, which is gone afterwards; raise NotLaidOut."""
        with tempfile.TemporaryDirectory(prefix="gradgauge-tree-") as scratch:
            top = Path(scratch).resolve() / commit[:12]
            try:
                # No hook of the user's belongs to what is laid out here.
                quiet = ("-c", "core.hooksPath=/dev/null")
                _do(self.top, *quiet, "worktree", "add", "--detach", "--no-checkout", "--quiet", str(top), commit)
                present = [each for each in self.names if _ask(top, "cat-file", "-e", f"{commit}:{each}") is not None]
                if present:
                    # A link may lead anywhere in the repository: then all of it is laid out.
                    links = "120000 " in (_ask(top, "ls-tree", "-r", commit, "--", *present) or "")
                    _do(top, *quiet, "checkout", "--quiet", commit, "--", *(["."] if links else present))
                folders = tuple(top / each if each in present else None for each in self.names)
                _refuse_what_leads_out(top, folders)
                yield Tree(Side("revision", name, commit), folders)
            finally:
                _ask(self.top, "worktree", "remove", "--force", str(top))
                _ask(self.top, "worktree", "prune")

    def differs(self, file: Path, commit: str) -> bool:
        """Whether a file of the working tree is another in that commit, or not there."""
        name = file.relative_to(self.top).as_posix()
        return _ask(self.top, "diff", "--quiet", commit, "--", name) is None


def _refuse_what_leads_out(top: Path, folders: Sequence[Path | None]) -> None:
    """Raise NotLaidOut for a link that leads nowhere or out of the worktree, and for a submodule, which is empty."""
    for folder in folders:
        for each in sorted(folder.rglob("*")) if folder else ():
            target = each.resolve()
            if each.is_symlink() and not (target.exists() and target.is_relative_to(top)):
                raise NotLaidOut(f"{each.relative_to(top)} is a link that leads out of the revision")
        if folder and "160000 " in (_ask(top, "ls-tree", "-r", "HEAD", "--", str(folder.relative_to(top))) or ""):
            raise NotLaidOut(f"{folder.relative_to(top)} holds a submodule, which is not laid out")


def _ask(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, None where it fails."""
    place = folder if folder.is_dir() else folder.parent
    try:
        done = subprocess.run(
            ["git", "-C", str(place), *arguments], capture_output=True, text=True, env=_environment(), check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _do(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, env=_environment(), check=False
    )
    if done.returncode:
        raise NotLaidOut(" ".join(done.stderr.split()) or f"git {arguments[0]} failed")


def _environment() -> dict[str, str]:
    """Return this process's environment, less what a git hook sets: it would send every question to its own tree."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _HARMLESS}
