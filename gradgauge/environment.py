"""The machine and the software that a run was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from gradgauge import __version__
from gradgauge.caches import cache_bytes, flush_bytes
from gradgauge.compilation import OPTIONS

PACKAGES = ("torch", "triton", "numpy", "pytest", "pytest-benchmark", "pandas", "seaborn")


def describe_environment(devices: tuple[str, ...], *, fresh_cache: bool) -> dict[str, Any]:
    """Return run.json's `environment`; what this machine does not tell is None."""
    return {
        "machine": _machine(),
        "accelerators": [_accelerator(device) for device in devices if device != "cpu"],
        "caches": {
            device: {"last_level_bytes": cache_bytes(device), "flush_bytes": flush_bytes(device)} for device in devices
        },
        "python": platform.python_version(),
        "gradgauge": __version__,
        "packages": {name: _version(name) for name in PACKAGES},
        "torch": {
            "threads": torch.get_num_threads(),
            "interop_threads": torch.get_num_interop_threads(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "compile_options": dict(OPTIONS),
        },
        "compile_cache": _compile_cache(fresh=fresh_cache),
        "variables": {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CXX")},
        "git": _git(Path.cwd()),
    }


def _machine() -> dict[str, Any]:
    cpuinfo = _read("/proc/cpuinfo")
    meminfo = _read("/proc/meminfo")
    return {
        "system": platform.platform(),
        "cpu": _after("model name", cpuinfo) or platform.processor() or None,
        "logical_cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
        "ram_bytes": int(_after("MemTotal", meminfo).split()[0]) * 1024 if meminfo else None,
        "load_average": _load_average(),
    }


def _accelerator(device: str) -> dict[str, Any]:
    kind, _, index = device.partition(":")
    properties: Any = None
    with suppress(AttributeError, RuntimeError):
        properties = getattr(torch, kind).get_device_properties(int(index))
    query = "name,driver_version,clocks.sm,clocks.max.sm,power.limit,power.draw"
    told = (
        _run("nvidia-smi", f"--id={index}", f"--query-gpu={query}", "--format=csv,noheader") if kind == "cuda" else None
    )
    return {
        "device": device,
        "name": getattr(properties, "name", None),
        "memory_bytes": getattr(properties, "total_memory", None),
        "l2_bytes": getattr(properties, "L2_cache_size", None),
        "nvidia_smi": dict(zip(query.split(","), told.split(", "), strict=False)) if told else None,
    }


def _compile_cache(*, fresh: bool) -> str:
    if fresh:
        return "cold: a fresh, empty cache was asked for"
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    folder = Path(cache_dir())
    return "warm: kernels of earlier runs were there" if folder.is_dir() and any(folder.iterdir()) else "cold: empty"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(folder: Path) -> dict[str, Any] | None:
    commit = _run("git", "-C", str(folder), "rev-parse", "HEAD")
    if not commit:
        return None
    status = _run("git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _run(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def _after(key: str, text: str) -> str:
    return next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(key)), "")


def _load_average() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
