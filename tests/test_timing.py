from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from gradgauge.timing import Timing, TimingProtocol, usual_protocol


def named(timing: Timing, pass_: str, device: str) -> list[str]:
    return [" ".join(protocol.labels.values()) for protocol in timing.protocols_for(pass_, device)]


@pytest.mark.parametrize(
    ("pass_", "device", "expected"),
    [
        ("inference", "cpu", ["wall warm"]),
        ("backward", "cpu", ["wall warm fresh"]),
        ("inference", "cuda:0", ["device warm", "wall warm"]),
        ("forward_backward", "cuda:0", ["device warm fresh", "wall warm fresh"]),
    ],
)
def test_the_usual_way_is_warm_on_fresh_graphs_by_the_devices_own_clock_first(
    pass_: str, device: str, expected: list[str]
) -> None:
    assert named(Timing(), pass_, device) == expected


def test_only_a_pass_that_finds_its_graph_ready_can_retain_one() -> None:
    timing = Timing(protocols=("retained",))
    assert named(timing, "backward", "cpu") == ["wall warm retained"]
    assert named(timing, "forward_backward", "cpu") == []
    assert named(timing, "inference", "cpu") == ["wall warm"]


def test_each_protocol_and_cache_is_a_way_of_its_own() -> None:
    timing = Timing(caches=("warm", "cold"), protocols=("fresh", "retained", "accumulating"))
    assert named(timing, "backward", "cpu") == [
        "wall warm fresh",
        "wall cold fresh",
        "wall warm retained",
        "wall warm accumulating",
        "wall cold accumulating",
    ]


def test_the_wall_clock_does_not_claim_a_cold_accelerator() -> None:
    assert named(Timing(caches=("cold",)), "forward", "cuda:0") == ["device cold"]


def test_a_cuda_graph_is_replayed_besides_where_there_is_cuda() -> None:
    timing = Timing(protocols=("fresh", "accumulating"), cuda_graph=True)
    assert named(timing, "backward", "cuda:0") == [
        "device warm fresh",
        "wall warm fresh",
        "device warm fresh graph",
        "device warm accumulating",
        "wall warm accumulating",
    ]
    assert named(timing, "forward", "cpu") == ["wall warm"]
    assert named(timing, "forward", "mps:0") == ["device warm", "wall warm"]


def test_labels_say_what_there_is_to_say() -> None:
    assert TimingProtocol("device", "cold").labels == {"clock": "device", "cache": "cold"}
    assert TimingProtocol(backward="fresh", replayed=True).labels == {
        "clock": "wall",
        "cache": "warm",
        "protocol": "fresh",
        "launch": "graph",
    }


def test_it_travels_as_json() -> None:
    timing = Timing(0.05, ("cold",), ("fresh", "retained"), cuda_graph=True)
    assert Timing.from_json(json.loads(json.dumps(asdict(timing)))) == timing


@pytest.mark.parametrize("pass_", ["inference", "backward", "forward_backward"])
@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_unless_somebody_chooses_the_usual_way_comes_first(pass_: str, device: str) -> None:
    assert Timing().protocols_for(pass_, device)[0] == usual_protocol(pass_, device)
    assert usual_protocol(pass_, device) not in Timing(caches=("cold",)).protocols_for(pass_, device)


def test_what_no_device_at_hand_can_do_is_said() -> None:
    assert Timing().impossible(("cpu",)) == []
    assert Timing(cuda_graph=True).impossible(("cpu", "cuda:0")) == []
    (line,) = Timing(cuda_graph=True).impossible(("cpu", "xpu:0"))
    assert line["reason"] == "only CUDA devices have them; measured on cpu, xpu:0"
    both = Timing(caches=("cold",), protocols=("retained",))
    assert len(both.impossible(("cpu",))) == 1
    assert both.impossible(("cuda:0",)) == []
