"""Does a small network train alike with each implementation, as its activation and on its weights?"""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from statistics import fmean

from gradgauge import networks, partings, training
from gradgauge.attempts import Failure, attempt
from gradgauge.cases import REFERENCE, Case, parse_shapes
from gradgauge.clocks import Clock, clock_for
from gradgauge.gauge import Gauge
from gradgauge.grid import Suite, Sweep
from gradgauge.inputs import torch_dtype
from gradgauge.measuring import CONTROL, control_companion, file_control
from gradgauge.networks import ROLES, TRAINED_ON, Digits
from gradgauge.passes import Pass
from gradgauge.records import Metric
from gradgauge.sampling import Block, measure_block
from gradgauge.statistics import estimate_median
from gradgauge.timing import USUAL
from gradgauge.training import Outcome, Training

ACCURACY = Metric(
    "training_accuracy", "ratio", "higher", exact=True, help="Share of 360 test digits told right after training."
)
LOSS = Metric(
    "training_loss", "", "lower", exact=True, help="Mean cross entropy of all training digits after training, in nats."
)
DIFFERENCE = Metric(
    "training_first_difference",
    "step",
    None,
    exact=True,
    help="The step at which the gradients, taken along the reference's own run and added up, have moved the parameters "
    "ten times farther from the reference's than roundings do; null where that never happens.",
)
PIECE = Metric(
    "training_piece_share",
    "ratio",
    None,
    exact=True,
    help="Share of the elements that the function was given, at every tenth step, in each of its pieces.",
)
WRONG = Metric(
    "training_wrong_share",
    "ratio",
    "lower",
    exact=True,
    help="Share of those elements at which the gradient is off by more than 1 % of the largest slope.",
)
STEP_TIME = Metric(
    "training_step_time",
    "s",
    "lower",
    exact=False,
    help="Median seconds of a training step: forward, backward and optimizer, all implementations in turns.",
)
BATCH_AND_UNITS = "64x64"
SERIES_STEPS = 10


def network_shape(_: tuple[str, ...]) -> tuple[str, ...]:
    """Return batch × hidden units, the shape that an activation is given."""
    return (BATCH_AND_UNITS,)


SWEEPS = (Sweep(("forward_backward",), modes=("eager",), pick=network_shape),)

SUITE = Suite(
    question=__doc__,
    metrics=(ACCURACY, LOSS, DIFFERENCE, PIECE, WRONG, STEP_TIME),
    sweeps={"quick": SWEEPS, "standard": SWEEPS, "full": SWEEPS},
    # After `speed`: scikit-learn brings thread pools of its own, which nothing else that is timed should meet.
    order=40,
    budget_s={"quick": 4.0, "standard": 8.0},
    with_reference=True,
    timed=True,
    by_name=True,
)


def test_training(gauge: Gauge) -> None:
    """Train with one implementation in each role, from every seed, and time a step."""
    missing = networks.missing_data()
    if missing:
        gauge.record(ACCURACY, None, "unavailable", missing)
        return
    refusal = _refusal(gauge.case)
    if refusal:
        gauge.record(ACCURACY, None, "not-applicable", refusal)
        return
    for role in ROLES:
        misfit = _misfit(gauge, role)
        if isinstance(misfit, Failure):
            gauge.reference_failed(ACCURACY, misfit)
            return
        if misfit:
            gauge.record(ACCURACY, None, "not-applicable", misfit, labels={"role": role})
        elif _train(gauge, role):
            _file_time(gauge, role)


def _refusal(case: Case) -> str:
    """Return why nothing trains in such a case; empty where something may."""
    shapes = case.shape.split(",")
    if len(shapes) > 1:
        return f"an activation has one input, {case.function} has {len(shapes)}"
    ((*sizes,),) = parse_shapes(case.shape, 1)
    if len(sizes) != 2 or not 1 <= sizes[0] <= TRAINED_ON or not sizes[1]:
        return f"a network trains on batch × hidden units, at most {TRAINED_ON} × any number, not {case.shape}"
    if case.mode != "eager" or case.layout != "contiguous":
        return f"networks are trained eagerly on contiguous tensors, not {case.mode} on {case.layout} ones"
    return ""


def _misfit(gauge: Gauge, role: str) -> str | Failure:
    name = f"misfit {role}"
    return gauge.once_per_block(name, lambda: attempt("the reference", lambda: networks.misfit(gauge.entry, role)))


def _training(gauge: Gauge, role: str, number: int) -> Training:
    """Return one training of the block, the same for all its implementations."""
    trained_on, tested_on = gauge.once_per_block("digits", partial(_digits, gauge))
    return Training(gauge.case, gauge.entry, training.COURSE, role, gauge.seed, number, trained_on, tested_on)


def _digits(gauge: Gauge) -> tuple[Digits, Digits]:
    dtype = torch_dtype(gauge.case.dtype, gauge.case.function)
    trained_on, tested_on = gauge.once_per_run("digits", networks.read_digits)
    return trained_on.to(gauge.case.device, dtype), tested_on.to(gauge.case.device, dtype)


def _train(gauge: Gauge, role: str) -> bool:
    """Train from every seed; return whether the implementation got through."""
    call = gauge.call(gauge.case)
    is_reference = gauge.case.implementation == REFERENCE
    if is_reference:
        why = "it is what the others are compared with"
        gauge.record(DIFFERENCE, None, "not-applicable", why, labels={"role": role})
    for number in range(training.COURSE.seeds):
        gauge.step(f"training, {role}, seed {number}")
        one, labels = _training(gauge, role, number), {"role": role, "seed": str(number)}
        outcome = attempt("training", partial(training.train, one, call))
        if isinstance(outcome, Failure):
            gauge.fail(ACCURACY, outcome, labels=labels)
            return False
        _file_outcome(gauge, outcome, labels)
        if not is_reference:
            _file_difference(gauge, one, labels)
    return True


def _file_outcome(gauge: Gauge, outcome: Outcome, labels: dict[str, str]) -> None:
    broke = f"the loss was not finite at step {outcome.broke_at}" if outcome.broke_at else ""
    gauge.record(ACCURACY, outcome.accuracy, "measured", broke, labels=labels)
    gauge.record(LOSS, outcome.loss, "measured", broke, labels=labels)
    shares = outcome.tally.shares()
    for piece, given, wrong in shares:
        gauge.record(PIECE, given, "measured", labels=labels | {"piece": piece})
        gauge.record(WRONG, wrong, "measured", labels=labels | {"piece": piece})
    gauge.record(WRONG, sum(wrong for *_, wrong in shares), "measured", labels=labels)
    starts = range(0, len(outcome.losses), SERIES_STEPS)
    chunks = [outcome.losses[start : start + SERIES_STEPS] for start in starts]
    ends = [float(start + len(chunk)) for start, chunk in zip(starts, chunks, strict=True)]
    name = f"training_loss/{labels['role']}/{labels['seed']}"
    gauge.series(name, ends, [fmean(chunk) for chunk in chunks], x_unit="step")


def _file_difference(gauge: Gauge, one: Training, labels: dict[str, str]) -> None:
    name = f"roundings {labels}"
    roundings = gauge.once_per_block(name, lambda: attempt("the reference", partial(partings.what_roundings_do, one)))
    if isinstance(roundings, Failure):
        gauge.record(DIFFERENCE, None, "not-applicable", roundings.detail, labels=labels)
        return
    step = attempt("training", lambda: partings.first_difference(one, gauge.call(gauge.case), roundings))
    if isinstance(step, Failure):
        gauge.fail(DIFFERENCE, step, labels=labels)
        return
    detail = "" if step else f"never in {len(roundings)} steps"
    gauge.record(DIFFERENCE, step, "measured", detail, labels=labels)


def _file_time(gauge: Gauge, role: str) -> None:
    outcome = gauge.once_per_block("times", lambda: _time(gauge)).companions[role, gauge.case]
    labels = {"role": role, **USUAL.labels}
    if isinstance(outcome, Failure):
        gauge.fail(STEP_TIME, outcome, labels=labels)
        return
    time = estimate_median(outcome.kept_s)
    verdict = "measured" if time.is_within(gauge.timing.precision) else "noisy"
    bounds = {"low": time.low, "high": time.high, "samples": time.samples}
    gauge.record(STEP_TIME, time.value, verdict, outcome.detail, labels=labels, **bounds)


def _time(gauge: Gauge) -> Block:
    """Time a step of every implementation of the block in every role, in turns."""
    device = gauge.case.device
    companions: dict[Hashable, tuple[Pass, Clock]] = {CONTROL: control_companion(device)}
    for role in ROLES:
        if _misfit(gauge, role):
            continue
        one = _training(gauge, role, 0)
        for case in gauge.block():
            beat = partial(gauge.step, "timing a training step", case)
            companions[role, case] = training.step_pass(one, gauge.call(case), beat), clock_for(USUAL, device)
    block = measure_block(
        [], gauge.block_budget_s(), lambda *_: None, precision=gauge.timing.precision, companions=companions
    )
    gauge.spend(block.spent)
    file_control(gauge, block)
    return block
