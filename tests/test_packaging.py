"""What is shipped, and with which versions it is tested."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = PYPROJECT["dependency-groups"]


def read_pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    loose = [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin)]
    assert not loose, f"not `name==version`: {loose}"
    names = [canonicalize_name(pin.split("==")[0]) for pin in pins]
    assert len(set(names)) == len(names), f"pinned twice: {sorted(name for name in names if names.count(name) > 1)}"
    return {name: pin.split("==")[1] for name, pin in zip(names, pins, strict=True)}


def read_requirements() -> Iterator[Requirement]:
    project: dict[str, Any] = PYPROJECT["project"]
    groups = [line for group in GROUPS.values() for line in group if isinstance(line, str)]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    for line in (*PYPROJECT["build-system"]["requires"], *project["dependencies"], *extras, *groups):
        yield Requirement(line)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the sdist of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    (path,) = built.glob("gradgauge-*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist_names(built: Path) -> set[str]:
    (path,) = built.glob("gradgauge-*.tar.gz")
    with tarfile.open(path) as archive:
        return {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}


def source_files(folder: str) -> list[str]:
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return sorted(path.relative_to(ROOT).as_posix() for path in files)


def test_wheel_carries_package_implementations_and_suites(wheel: zipfile.ZipFile) -> None:
    expected = source_files("gradgauge")
    for folder in ("implementations", "suites"):
        expected += [f"gradgauge/{name}" for name in source_files(folder)]
    assert "gradgauge/implementations/relu/function.py" in expected
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert shipped == set(expected)


def test_wheel_names_the_command_and_registers_no_pytest_plugin(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    text = wheel.read(name).decode()
    assert text.split() == ["[console_scripts]", "gradgauge", "=", "gradgauge.cli:main"]


def test_sdist_is_complete(sdist_names: set[str]) -> None:
    folders = ("gradgauge", "implementations", "suites", "calibration", "tests")
    expected = {name for folder in folders for name in source_files(folder)}
    expected |= {"pyproject.toml", "noxfile.py", "constraints.txt", "LICENSE", "results/README.md"}
    assert expected <= sdist_names
    assert not [name for name in sdist_names if name.startswith((".nox/", ".ci/venv/", "results/runs/"))]


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    pins = read_pins()
    for requirement in read_requirements():
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is not in constraints.txt"
        assert requirement.specifier.contains(pin), f"constraints.txt has {requirement.name}=={pin}, not {requirement}"


def test_no_build_of_torch_is_forced() -> None:
    builds = {name for name in read_pins() if name.startswith(("nvidia-", "cuda-", "triton", "pytorch-triton"))}
    assert not builds, f"only some builds of torch need these, in versions of their own: {sorted(builds)}"


def test_pre_commit_uses_the_pinned_versions() -> None:
    pins = read_pins()
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    hooks = re.findall(r"additional_dependencies: \[(.*)\]", text)
    assert len(hooks) == text.count("- id:"), "a hook without pinned tools"
    for hook in hooks:
        for dependency in hook.split(","):
            name, version = dependency.strip().split("==")
            assert pins[canonicalize_name(name)] == version, f"constraints.txt has {name}=={pins.get(name)}"


USERS_TEST = '''\
import sys

import gradgauge

assert "torch" not in sys.modules, "importing gradgauge imported torch"

import pytest
import torch
import torch.nn.functional as F


class Round(torch.autograd.Function):
    """A straight-through estimator."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output


class Spike(torch.autograd.Function):
    """A step forward, the slope of a fast sigmoid backward."""

    @staticmethod
    def forward(ctx, v):
        ctx.save_for_backward(v)
        return (v > 0).to(v.dtype)

    @staticmethod
    def backward(ctx, grad_output):
        (v,) = ctx.saved_tensors
        return grad_output / (1 + 10 * v.abs()) ** 2


class FusedSiLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return grad_output * s * (1 + x * (1 - s))


class WrongSiLU(FusedSiLU):
    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return grad_output * s * (1 + x * s)


def spike(v):
    soft = v / (1 + 10 * v.abs())
    return soft + ((v > 0).to(v.dtype) - soft).detach()


X = torch.linspace(-3, 3, 12).reshape(3, 4)


def test_round():
    gradgauge.check(Round.apply, inputs=X, reference=lambda x: x + (x.round() - x).detach())


def test_spike():
    gradgauge.check(Spike.apply, inputs=X, reference=spike, edges=[0.0])


def test_silu():
    gradgauge.check(FusedSiLU.apply, inputs=X, reference=F.silu)


def test_wrong():
    with pytest.raises(AssertionError) as caught:
        gradgauge.check(WrongSiLU.apply, inputs=X, reference=F.silu)
    message = str(caught.value)
    assert message.startswith("WrongSiLU.apply (float32, cpu, 3x4): ")
    assert "✗ agreement: the gradient of x: " in message
    assert "smallest input that shows it: x = [" in message
    assert "from test_mine import WrongSiLU" in message
    assert message.count("✗ ") == 1, message
'''

IGNORED = "ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"
"""What torch 2.13 says of itself where it is compiled."""


@pytest.mark.slow
def test_check_works_from_an_empty_folder_with_the_wheel_alone(built: Path, tmp_path: Path) -> None:
    (path,) = built.glob("gradgauge-*.whl")
    installed, folder = tmp_path / "installed", tmp_path / "mine"
    folder.mkdir()
    with zipfile.ZipFile(path) as archive:
        archive.extractall(installed)
    (folder / "test_mine.py").write_text(USERS_TEST, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        "-W",
        IGNORED,
        "test_mine.py",
    ]
    plain = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        command, cwd=folder, env=plain | {"PYTHONPATH": str(installed)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert "warning" not in done.stdout
    assert "gradgauge" not in done.stderr
