from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gradgauge import caches
from gradgauge.caches import FALLBACK_BYTES, MOST_FLUSHED_BYTES, TIMES_OVER, cache_bytes, flush_bytes, flusher


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    for remembering in (cache_bytes, flusher):
        remembering.cache_clear()
    yield
    for remembering in (cache_bytes, flusher):
        remembering.cache_clear()


def levels(folder: Path, *sizes: str) -> str:
    for index, size in enumerate(sizes):
        (folder / f"index{index}").mkdir()
        (folder / f"index{index}" / "size").write_text(f"{size}\n", encoding="ascii")
    return str(folder)


@pytest.mark.parametrize(
    ("sizes", "expected"), [(("32K", "512K", "32768K"), 2**25), (("48K", "2M"), 2**21), (("1G",), 2**30), ((), None)]
)
def test_the_largest_cache_of_a_cpu_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[str, ...], expected: int | None
) -> None:
    monkeypatch.setattr(caches, "_LEVELS", levels(tmp_path, *sizes))
    assert cache_bytes("cpu") == expected
    assert flush_bytes("cpu") == TIMES_OVER * (expected or FALLBACK_BYTES) if expected != 2**30 else MOST_FLUSHED_BYTES


def test_the_size_of_an_accelerators_cache_is_read_from_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = {0: SimpleNamespace(L2_cache_size=50 * 2**20), 1: SimpleNamespace(L2_cache_size=0), 2: object()}
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties.__getitem__)
    assert cache_bytes("cuda:0") == 50 * 2**20
    assert cache_bytes("cuda:1") is None
    assert cache_bytes("cuda:2") is None
    assert cache_bytes("warp:0") is None
    assert flush_bytes("cuda:0") == 100 * 2**20
    assert flush_bytes("cuda:1") == TIMES_OVER * FALLBACK_BYTES


def test_a_flush_writes_through_the_whole_buffer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "_LEVELS", levels(tmp_path, "64K"))
    flush = flusher("cpu")
    buffer = flush()
    assert isinstance(buffer, torch.Tensor)
    assert buffer.numel() * buffer.element_size() == TIMES_OVER * 2**16
    assert flusher("cpu") == flush
