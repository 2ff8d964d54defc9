"""The devices of this machine, through PyTorch's device-agnostic API, and what an implementation needs of them."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys

import torch

from gradgauge.model import Implementation


class UnknownDevice(Exception):
    """A device that this machine does not have; the message names those it has."""


def available_devices() -> tuple[str, ...]:
    """Return `cpu`, then each device of the accelerator that PyTorch finds, such as `cuda:0`."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return ("cpu",)
    return ("cpu", *(f"{accelerator.type}:{index}" for index in range(torch.accelerator.device_count())))


def choose_devices(chosen: tuple[str, ...], available: tuple[str, ...]) -> tuple[str, ...]:
    """Return the devices to measure on: the chosen ones, else the CPU and the first accelerator.

    `cuda` means `cuda:0`. Raises UnknownDevice for one that is not there.
    """
    if not chosen:
        return available[:2]
    named = {given: given if given == "cpu" or ":" in given else f"{given}:0" for given in chosen}
    for given, device in named.items():
        if device not in available:
            raise UnknownDevice(f"--device {given!r} is not on this machine, which has: {', '.join(available)}")
    return tuple(dict.fromkeys(named.values()))


def synchronize(device: str) -> None:
    """Wait until the device has done all that was asked of it; nothing to wait for on the CPU."""
    if device != "cpu":
        torch.accelerator.synchronize(device)


def unavailable_reason(implementation: Implementation, mode: str, device: str) -> str:
    """Return why the implementation cannot run so on this machine; empty where it can."""
    kind = device.partition(":")[0]
    needs = (*implementation.requires, *(("compiler",) if mode == "compiled" else ()))
    return next((reason for need in needs if (reason := _missing(need, kind))), "")


def _missing(need: str, kind: str) -> str:
    if need == "compiler":
        return _missing_compiler(kind)
    if need == "accelerator":
        return "needs an accelerator" if kind == "cpu" else ""
    if need in ("cpu", "cuda", "mps", "xpu"):
        return f"needs a {need} device" if kind != need else ""
    return "" if _is_installed(need) else f"needs the module {need}, which is not installed"


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # a parent package that is missing, or no name of a module
        return False


def _missing_compiler(kind: str) -> str:
    if kind in ("cuda", "xpu"):
        return "" if importlib.util.find_spec("triton") else f"torch.compile on {kind} needs triton, not installed"
    # What inductor would take: $CXX, else the platform's one compiler.
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    compiler = os.environ.get("CXX") or usual
    if shutil.which(shlex.split(compiler)[0]):
        return ""
    return f"torch.compile on the CPU needs a C++ compiler; {compiler} is not on the PATH"
