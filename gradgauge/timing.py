"""How a case is timed: the protocol that the labels of its records name, and what the user chose (no torch)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

CACHES = ("warm", "cold")
BACKWARD_PROTOCOLS = ("fresh", "retained", "accumulating")
WITH_BACKWARD = ("backward", "forward_backward")

PRECISION = 0.02
"""The half width of a median's 95 % interval, as a share of the median, at which a case has been timed enough."""


@dataclass(frozen=True)
class TimingProtocol:
    """One way to time a case.

    clock: `wall` is what a Python caller waits for; `device` is the time between two events on the device's stream.
    cache: `warm` repeats a call on the same tensors; `cold` makes sure that they are in no cache.
    backward: `fresh` graphs; one graph `retained`; fresh graphs `accumulating` into `.grad`; empty where the pass has
        no backward.
    replayed: whether the call is replayed from a CUDA graph.
    """

    clock: str = "wall"
    cache: str = "warm"
    backward: str = ""
    replayed: bool = False

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels of a record that was measured so."""
        labels = {"clock": self.clock, "cache": self.cache}
        if self.backward:
            labels["protocol"] = self.backward
        if self.replayed:
            labels["launch"] = "graph"
        return labels


USUAL = TimingProtocol()
"""What stands where nobody chose: warm, by the wall clock."""


def usual_protocol(pass_: str, device: str) -> TimingProtocol:
    """Return how a case is timed unless somebody chooses: by the device's own clock, warm, on fresh graphs."""
    return TimingProtocol("wall" if device == "cpu" else "device", backward="fresh" if pass_ in WITH_BACKWARD else "")


@dataclass(frozen=True)
class Timing:
    """What the user chose. precision: see PRECISION; caches, protocols: as above; cuda_graph: replay besides."""

    precision: float = PRECISION
    caches: tuple[str, ...] = ("warm",)
    protocols: tuple[str, ...] = ("fresh",)
    cuda_graph: bool = False

    @classmethod
    def from_json(cls, keys: Mapping[str, Any]) -> Timing:
        """Build it from what a job holds."""
        return cls(keys["precision"], tuple(keys["caches"]), tuple(keys["protocols"]), keys["cuda_graph"])

    def protocols_for(self, pass_: str, device: str) -> tuple[TimingProtocol, ...]:
        """Return how a case of that pass is timed on that device, in the order chosen; empty where none applies.

        A pass that makes a graph in each call has none to retain. On an accelerator the wall clock is the second view.
        """
        return tuple(self._protocols_for(pass_, device))

    def impossible(self, devices: tuple[str, ...]) -> list[dict[str, str]]:
        """Return what was chosen and cannot be, as run.json's `left_out` has it."""
        found = []
        if self.cuda_graph and not any(device.startswith("cuda") for device in devices):
            reason = f"only CUDA devices have them; measured on {', '.join(devices)}"
            found.append({"what": "replays from CUDA graphs", "reason": reason})
        if "cpu" in devices and "cold" in self.caches and "retained" in self.protocols:
            reason = "the tensors of one graph are warm from the second call on"
            found.append({"what": "backward on a retained graph with a cold cache on cpu", "reason": reason})
        return found

    def _protocols_for(self, pass_: str, device: str) -> Iterator[TimingProtocol]:
        backwards = [""]
        if pass_ in WITH_BACKWARD:
            backwards = [name for name in self.protocols if pass_ == "backward" or name != "retained"]
        for backward, cache in product(backwards, self.caches):
            if device == "cpu":
                if (backward, cache) != ("retained", "cold"):  # one graph's tensors are warm from the second call on
                    yield TimingProtocol("wall", cache, backward)
                continue
            yield TimingProtocol("device", cache, backward)
            if cache == "warm":  # a flush cannot be left out of what the wall clock reads
                yield TimingProtocol("wall", cache, backward)
            if self.cuda_graph and device.startswith("cuda") and backward in ("", "fresh"):
                yield TimingProtocol("device", cache, backward, replayed=True)
