from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gradgauge import __version__, environment
from gradgauge.environment import describe_environment


def test_every_key_is_there_and_all_of_it_is_strict_json() -> None:
    described = describe_environment(("cpu",), fresh_cache=False)
    assert set(described) == {
        "machine",
        "accelerators",
        "caches",
        "python",
        "gradgauge",
        "packages",
        "torch",
        "compile_cache",
        "variables",
        "git",
    }
    assert set(described["machine"]) == {
        "system",
        "cpu",
        "logical_cores",
        "usable_cores",
        "governor",
        "ram_bytes",
        "load_average",
    }
    assert described["accelerators"] == []
    cache = described["caches"]["cpu"]
    assert cache["flush_bytes"] >= (cache["last_level_bytes"] or 0)
    assert described["gradgauge"] == __version__
    assert described["packages"]["torch"].startswith(torch.__version__.partition("+")[0])
    assert described["torch"]["threads"] == torch.get_num_threads()
    assert described["torch"]["compile_options"] == {"dynamic": False, "backend": "inductor"}
    json.dumps(described, allow_nan=False)


def test_what_the_machine_does_not_tell_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "_read", lambda path: "")
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.delattr("os.getloadavg", raising=False)
    monkeypatch.chdir(tmp_path)
    described = describe_environment(("cpu",), fresh_cache=False)
    for key in ("cpu", "governor", "ram_bytes", "usable_cores", "load_average"):
        assert described["machine"][key] is None, key
    assert described["git"] is None
    assert environment._version("no-such-package") is None


def test_the_processor_and_its_memory_are_read_from_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/cpuinfo": "vendor: x\nmodel name\t: Best CPU\n",
        "/proc/meminfo": "MemTotal:   2048 kB\nMemFree: 1 kB\n",
    }
    monkeypatch.setattr(environment, "_read", lambda path: files.get(path, ""))
    machine = describe_environment(("cpu",), fresh_cache=True)["machine"]
    assert (machine["cpu"], machine["ram_bytes"]) == ("Best CPU", 2048 * 1024)


@pytest.mark.parametrize(("content", "words"), [("", "cold: empty"), ("kernel", "warm: kernels of earlier runs")])
def test_the_compile_cache_is_cold_or_warm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, words: str
) -> None:
    if content:
        (tmp_path / content).touch()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    assert words in describe_environment(("cpu",), fresh_cache=False)["compile_cache"]
    assert "a fresh, empty cache" in describe_environment(("cpu",), fresh_cache=True)["compile_cache"]


def test_an_accelerator_tells_name_memory_driver_and_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = SimpleNamespace(name="Best GPU", total_memory=80, L2_cache_size=50)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    monkeypatch.setattr(environment, "_run", lambda *command: "Best GPU, 570.1, 1980 MHz, 1980 MHz, 700 W, 70 W")
    (described,) = describe_environment(("cpu", "cuda:0"), fresh_cache=False)["accelerators"]
    assert (described["device"], described["name"], described["memory_bytes"]) == ("cuda:0", "Best GPU", 80)
    assert described["nvidia_smi"]["driver_version"] == "570.1"
    assert described["nvidia_smi"]["power.draw"] == "70 W"


def test_an_accelerator_that_tells_nothing_is_listed_with_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_run", lambda *command: None)
    (described,) = describe_environment(("warp:1",), fresh_cache=False)["accelerators"]
    assert described == {"device": "warp:1", "name": None, "memory_bytes": None, "l2_bytes": None, "nvidia_smi": None}


def git(folder: Path, *arguments: str) -> None:
    settings = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_commit_and_whether_files_differ_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init")
    (tmp_path / "file").write_text("one", encoding="utf-8")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    monkeypatch.chdir(tmp_path)

    def told() -> Any:
        return describe_environment(("cpu",), fresh_cache=True)["git"]

    clean = told()
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "untracked").touch()
    assert told()["dirty"] is False
    (tmp_path / "file").write_text("two", encoding="utf-8")
    assert told() == {"commit": clean["commit"], "dirty": True}


def test_a_command_that_is_missing_fails_or_hangs_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment._run("no-such-command-here") is None
    assert environment._run("git", "no-such-subcommand") is None

    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("x", 10)

    monkeypatch.setattr("subprocess.run", hang)
    assert environment._run("git", "--version") is None
