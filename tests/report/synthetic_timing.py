"""What a run adds since times carry labels: protocols, bandwidths, the machine's peaks, the control."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gradgauge.cases import Case
from gradgauge.records import Record, Series, Verdict
from tests.report import synthetic

GPU = "cuda:0"
WITH_BACKWARD = ("backward", "forward_backward")
# Seconds that a launch from Python costs on an accelerator, and what it works faster than the CPU.
LAUNCH_S = 2e-5
FASTER = 40.0
COPY_BYTES_PER_S = {"cpu": 11e9, GPU: 2.4e12}
OVERHEAD_S = {"inference": 0.11e-6, "forward": 0.13e-6, "backward": 0.29e-6, "forward_backward": 0.37e-6}
TIMED_UNDER = {"fresh": tuple(synthetic.PASS_FACTOR), "retained": ("backward",), "accumulating": WITH_BACKWARD}
PROTOCOL_FACTOR = {"fresh": 1.0, "retained": 0.5, "accumulating": 1.2}
METRICS = {
    "bandwidth": synthetic.metric("byte/s", "higher", "Bytes that must move over the median time."),
    "roof_fraction": synthetic.metric("ratio", "higher", "Time of a copy of as many bytes over this one's."),
    "moved_bytes": synthetic.metric("byte", None, "Bytes that the case must move.", exact=True),
    "peak_bandwidth": synthetic.metric("byte/s", "higher", "Bytes a second of plain work."),
    "peak_flops": synthetic.metric("flop/s", "higher", "Operations a second of a matrix product."),
    "overhead": synthetic.metric("s", "lower", "Time of a call that does nothing."),
}


def labels_of(case: Case, clock: str, protocol: str = "fresh", cache: str = "warm") -> dict[str, str]:
    """Return the labels of a time: always explicit, a protocol only where there is a backward."""
    labels = {"clock": clock, "cache": cache}
    return labels | ({"protocol": protocol} if case.pass_ in WITH_BACKWARD else {})


def times(device: str, clock: str, protocol: str = "fresh") -> list[Record]:
    """Return the standard run's times under one protocol, with speedups, bandwidths and shares of a copy."""
    found: list[Record] = []
    for record in synthetic.speed_records():
        if record.metric != "time" or record.case.pass_ not in TIMED_UNDER[protocol]:
            continue
        case = replace(record.case, device=device)
        value_s = seconds(record, device, clock, protocol)
        low_s, high_s = value_s * 0.985, value_s * 1.015
        labels = labels_of(case, clock, protocol)
        time = replace(record, case=case, labels=labels, value=value_s, low=low_s, high=high_s)
        native = replace(case, implementation="reference", mode="eager")
        native_s = next((item.value for item in found if (item.case, item.metric) == (native, "time")), value_s)
        found += [time, *rates(time)]
        if native_s and case != native:
            ratio = native_s / value_s
            found.append(
                replace(time, metric="speedup", value=ratio, unit="ratio", low=ratio * 0.98, high=ratio * 1.02)
            )
    return found


def seconds(record: Record, device: str, clock: str, protocol: str) -> float:
    """Return what a time of the standard run is on another device, by another clock, under another protocol."""
    assert record.value
    worked_s = record.value if device == "cpu" else record.value / FASTER
    launch_s = LAUNCH_S if device != "cpu" and clock == "wall" else 0.0
    # A retained graph cannot free what compiled code would have used again.
    slower = 8.0 if protocol == "retained" and record.case.mode == "compiled" else 1.0
    return worked_s * PROTOCOL_FACTOR[protocol] * slower + launch_s


def rates(time: Record) -> Iterator[Record]:
    """Yield bandwidth and share of a copy that belong to a time; a copy moves as many bytes in the same time."""
    assert time.value
    moved = moved_bytes(time.case)
    rate = moved / time.value
    roof = rate / COPY_BYTES_PER_S[time.case.device]
    yield replace(time, metric="bandwidth", value=rate, unit="byte/s", low=None, high=None, detail="")
    yield replace(time, metric="roof_fraction", value=roof, unit="ratio", low=roof * 0.98, high=roof * 1.02, detail="")


def moved_bytes(case: Case) -> int:
    """Return two tensors' worth of bytes; three where there is a backward."""
    return 4 * synthetic.ELEMENTS[case.shape] * (3 if case.pass_ in WITH_BACKWARD else 2)


def moved_records(device: str) -> Iterator[Record]:
    """Yield the bytes that each case must move, without labels."""
    for record in synthetic.speed_records():
        if record.metric == "time":
            case = replace(record.case, device=device)
            yield Record("speed", case, "moved_bytes", moved_bytes(case), "byte", Verdict.MEASURED)


def machine_records(device: str) -> Iterator[Record]:
    """Yield peaks and overhead: of no function, no mode and no layout."""
    for shape, share in (("65536", 2.5), ("16777216", 1.0)):
        for name, factor in (("copy", 1.0), ("clone", 0.7), ("sigmoid", 0.9)):
            rate = COPY_BYTES_PER_S[device] * share * factor
            yield _of_machine(name, device, "peak_bandwidth", rate, "byte/s", shape=shape)
    yield _of_machine(
        "matmul", device, "peak_flops", 91.2e9 if device == "cpu" else 51.7e12, "flop/s", shape="1024x1024"
    )
    for pass_, overhead_s in OVERHEAD_S.items():
        case = Case("", "empty", "", pass_, device, "float32", "", "")
        yield Record(
            "machine",
            case,
            "overhead",
            overhead_s,
            "s",
            Verdict.MEASURED,
            "",
            overhead_s,
            overhead_s,
            40,
            labels_of(case, "wall"),
        )


def control(device: str, drift: float = 0.01, blocks: int = 12, drifting_block: int = 7) -> list[Series]:
    """Return one line a timed block, in an order that time does not have; one of them slower by `drift`."""
    base_s = 1e-4 if device == "cpu" else 4e-5
    drawn = Case("", "control", "", "", device, "float32", "262144", "")
    lines = []
    for block in range(blocks):
        slower = 1 + (drift if block == drifting_block else 0.0)
        xs = tuple(2.0 + 6.5 * block + 0.5 * point for point in range(11))
        ys = tuple(base_s * slower * (1 + 0.004 * (point % 5 - 2)) for point in range(11))
        lines.append(Series(drawn, "control", xs, ys, "s", "s"))
    return lines[::-1]


def cpu_records() -> list[Record]:
    """Return a whole run on the CPU: its pages must look as those without labels do."""
    rest = [record for record in synthetic.standard_records() if record.suite != "speed"]
    return [*rest, *machine_records("cpu"), *moved_records("cpu"), *times("cpu", "wall")]


def gpu_records() -> list[Record]:
    """Return a whole run on an accelerator: both clocks, three protocols."""
    rest = [record for record in synthetic.standard_records() if record.suite != "speed"]
    rest = [replace(record, case=replace(record.case, device=GPU)) for record in rest if record.case.device]
    by_protocol = [
        record for protocol in PROTOCOL_FACTOR for clock in ("device", "wall") for record in times(GPU, clock, protocol)
    ]
    return [*rest, *machine_records(GPU), *moved_records(GPU), *noisy(by_protocol, every=17)]


def noisy(records: list[Record], every: int) -> list[Record]:
    """Return the records, one in `every` times noisy."""
    found: list[Record] = []
    seen = 0
    for record in records:
        seen += record.metric == "time"
        is_noisy = record.metric == "time" and seen % every == 0
        found.append(replace(record, verdict=Verdict.NOISY) if is_noisy else record)
    return found


def changes(**more: object) -> dict[str, object]:
    """Return the keys of run.json that belong to such a run."""
    return {
        "metrics": synthetic.METRICS | METRICS,
        "suites": {"machine": "What can the machine do?", **synthetic.description()["suites"]},
        "timing": {"precision": 0.02, "caches": ["warm"], "protocols": list(PROTOCOL_FACTOR), "cuda_graph": False},
        "spent_s": {
            "speed": {
                "timed regions": 122.0,
                "fresh graphs": 18.0,
                "control and copies": 10.0,
                "warm-up and compilation": 40.0,
                "rest": 10.0,
            },
            "machine": {"timed regions": 3.0, "rest": 1.0},
        },
    } | more


def _of_machine(name: str, device: str, metric: str, value: float, unit: str, shape: str) -> Record:
    case = Case("", name, "", "", device, "float32", shape, "")
    return Record("machine", case, metric, value, unit, Verdict.MEASURED, "", value * 0.99, value * 1.01, 30)
