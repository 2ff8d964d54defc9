from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from gradgauge.devices import UnknownDevice, available_devices, choose_devices, synchronize, unavailable_reason
from gradgauge.model import Implementation

HAVE = ("cpu", "cuda:0", "cuda:1")


def test_without_an_accelerator_there_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    assert available_devices() == ("cpu",)


@pytest.mark.parametrize("kind", ["cuda", "xpu"])
def test_every_device_of_the_accelerator_that_pytorch_finds_is_there(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: SimpleNamespace(type=kind))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert available_devices() == ("cpu", f"{kind}:0", f"{kind}:1")


@pytest.mark.parametrize(
    ("chosen", "devices"),
    [
        ((), ("cpu", "cuda:0")),
        (("cpu",), ("cpu",)),
        (("cuda",), ("cuda:0",)),
        (("cuda:1", "cpu"), ("cuda:1", "cpu")),
        (("cuda", "cuda:0"), ("cuda:0",)),
    ],
)
def test_chosen_devices_are_taken_and_cuda_means_the_first(chosen: tuple[str, ...], devices: tuple[str, ...]) -> None:
    assert choose_devices(chosen, HAVE) == devices


def test_on_a_machine_without_accelerator_the_cpu_is_measured() -> None:
    assert choose_devices((), ("cpu",)) == ("cpu",)


@pytest.mark.parametrize("wrong", ["cuda:7", "mps", "gpu", "cpu:0", "cuda:", "CPU"])
def test_an_unknown_device_is_named_as_given_with_those_there_are(wrong: str) -> None:
    with pytest.raises(UnknownDevice) as caught:
        choose_devices(("cpu", wrong), HAVE)
    assert str(caught.value) == f"--device {wrong!r} is not on this machine, which has: cpu, cuda:0, cuda:1"


def test_the_unknown_one_is_named_even_after_one_that_was_said_twice() -> None:
    with pytest.raises(UnknownDevice, match="'cuda:7'"):
        choose_devices(("cuda", "cuda:0", "cuda:7"), HAVE)


def test_only_an_accelerator_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    synchronize("cpu")
    synchronize("cuda:1")
    assert waited == ["cuda:1"]


@pytest.mark.parametrize(
    ("requires", "device", "reason"),
    [
        ((), "cpu", ""),
        (("accelerator",), "cpu", "needs an accelerator"),
        (("accelerator",), "cuda:0", ""),
        (("cuda",), "cpu", "needs a cuda device"),
        (("cuda",), "xpu:0", "needs a cuda device"),
        (("cuda",), "cuda:1", ""),
        (("cpu",), "cuda:0", "needs a cpu device"),
        (("json",), "cpu", ""),
        (("no_such_module",), "cpu", "needs the module no_such_module, which is not installed"),
        (("json", "accelerator", "no_such_module"), "cpu", "needs an accelerator"),
    ],
)
def test_what_cannot_run_says_why(requires: tuple[str, ...], device: str, reason: str) -> None:
    assert unavailable_reason(Implementation(abs, requires=requires), "eager", device) == reason


@pytest.fixture
def nothing_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)


@pytest.mark.usefixtures("nothing_on_the_path")
def test_without_a_compiler_only_what_compiles_is_unavailable() -> None:
    reason = "torch.compile on the CPU needs a C++ compiler; g++ is not on the PATH"
    assert unavailable_reason(Implementation(abs), "compiled", "cpu") == reason
    assert unavailable_reason(Implementation(abs), "eager", "cpu") == ""
    assert unavailable_reason(Implementation(abs, requires=("compiler",)), "eager", "cpu") == reason


@pytest.mark.usefixtures("nothing_on_the_path")
def test_the_compiler_that_cxx_names_is_the_one_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "my-g++")
    assert "my-g++ is not on the PATH" in unavailable_reason(Implementation(abs), "compiled", "cpu")
    monkeypatch.setattr("shutil.which", lambda name: name if name == "my-g++" else None)
    assert unavailable_reason(Implementation(abs), "compiled", "cpu") == ""


@pytest.mark.parametrize(
    ("found", "reason"), [(None, "torch.compile on cuda needs triton, not installed"), (object(), "")]
)
def test_compiling_on_cuda_needs_triton(monkeypatch: pytest.MonkeyPatch, found: object, reason: str) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found)
    assert unavailable_reason(Implementation(abs), "compiled", "cuda:0") == reason
