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


def cores(folder: Path, *caches: tuple[tuple[str, str], ...]) -> str:
    """Write what the kernel tells of each core's caches: size, and the cores that share it."""
    for core, levels in enumerate(caches):
        for index, (size, shared) in enumerate(levels):
            level = folder / f"cpu{core}" / "cache" / f"index{index}"
            level.mkdir(parents=True)
            (level / "size").write_text(f"{size}\n", encoding="ascii")
            (level / "shared_cpu_list").write_text(f"{shared}\n", encoding="ascii")
    return str(folder)


@pytest.mark.parametrize(
    ("sizes", "expected"), [(("32K", "512K", "32768K"), 2**25), (("48K", "2M"), 2**21), (("1G",), 2**30), ((), None)]
)
def test_the_largest_cache_of_a_core_is_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[str, ...], expected: int | None
) -> None:
    monkeypatch.setattr(caches, "_CORES", cores(tmp_path, tuple((size, "0") for size in sizes)))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    assert cache_bytes("cpu") == expected
    assert flush_bytes("cpu") == min(MOST_FLUSHED_BYTES, TIMES_OVER * (expected or FALLBACK_BYTES))


def test_a_flush_never_goes_through_more_than_a_gibibyte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "_CORES", cores(tmp_path, (("1G", "0"),)))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    assert flush_bytes("cpu") == MOST_FLUSHED_BYTES == 2**30


def test_caches_that_cores_share_count_once_and_those_of_idle_cores_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [(("32K", str(core)), ("16M", "0-1" if core < 2 else "2-3" if core < 4 else "4")) for core in range(5)]
    monkeypatch.setattr(caches, "_CORES", cores(tmp_path, *pairs))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert cache_bytes("cpu") == 2 * 2**24


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
    monkeypatch.setattr(caches, "_CORES", cores(tmp_path, (("64K", "0"),)))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    flush = flusher("cpu")
    buffer = flush()
    assert isinstance(buffer, torch.Tensor)
    assert buffer.numel() * buffer.element_size() == TIMES_OVER * 2**16
    assert flusher("cpu") == flush
