"""Small networks that train on scikit-learn's handwritten digits with an implementation somewhere in them."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise, repeat

import torch
from torch import Tensor
from torch.nn import functional

from gradgauge.attempts import Wrong
from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.cases import Case, parse_shapes
from gradgauge.catalog import FunctionEntry
from gradgauge.inputs import generator_for, torch_dtype
from gradgauge.model import Function
from gradgauge.oracle import tell_truth
from gradgauge.passes import Pass

ROLES = ("activation", "weights")

STRETCH = 1.6
"""Latent weights are standard normal; times STRETCH and half the distance between the outermost breakpoints, 27 % of
them begin beyond either one. For the staircase, whose breakpoints are ±5, that is call(8 · w)."""

ROUNDINGS = 10
"""How many times what roundings do a difference must be."""

WRONG = 0.01
"""A gradient is wrong where it is off by more than this share of the larger of itself and the largest slope."""

PIXELS, DIGITS, TRAINED_ON = 64, 10, 1437


@dataclass(frozen=True)
class Course:
    """What every network goes through. every: steps from one look at the inputs of the call to the next.

    rates: role → learning rate, of stochastic gradient descent with momentum. Plain descent shows an error of the
    gradient in its size; an optimizer that divides by the gradient's size, as Adam does, makes the rounding of a
    gradient that is nearly zero as large as any other step.
    """

    seeds: int = 5
    steps: int = 300
    every: int = 10
    momentum: float = 0.9
    rates: Mapping[str, float] = field(default_factory=lambda: {"activation": 0.1, "weights": 1.0})


COURSE = Course()


@dataclass(frozen=True)
class Digits:
    """Handwritten digits. images: (n, 64), from −1 to 1, exact in every floating dtype; labels: (n,), from 0 to 9."""

    images: Tensor
    labels: Tensor

    def to(self, device: str, dtype: torch.dtype) -> Digits:
        """Return them elsewhere."""
        return Digits(self.images.to(device, dtype), self.labels.to(device))


def missing_data() -> str:
    """Return why there are no digits; empty where there are."""
    if importlib.util.find_spec("sklearn") is None:
        return "needs scikit-learn, which is not installed: pip install 'gradgauge[training]'"
    return ""


def read_digits() -> tuple[Digits, Digits]:
    """Return 1437 digits to train on and 360 to test on, always the same ones, in float64 on the CPU."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    images, labels = torch.from_numpy(data.data / 8 - 1)[order], torch.from_numpy(data.target)[order]
    return Digits(images[:TRAINED_ON], labels[:TRAINED_ON]), Digits(images[TRAINED_ON:], labels[TRAINED_ON:])


def misfit(entry: FunctionEntry, role: str) -> str:
    """Return why the function cannot have the role; empty where it can."""
    points = entry.function.breakpoints
    if role == "weights" and len(points) < 2:
        return f"weights are drawn to the levels of a staircase, which has two breakpoints or more, not {len(points)}"
    x = torch.linspace(-3, 3, 8).reshape(2, 4)
    outputs = outputs_of(entry.reference.implementation.call(x))
    if len(outputs) > 1 or outputs[0].shape != x.shape:
        return f"an activation turns a tensor into one of its shape, not {[tuple(each.shape) for each in outputs]}"
    if not outputs[0].isfinite().all():
        return "an activation is finite wherever a network may take it; this one is not on −3 … 3"
    return ""


@dataclass(frozen=True)
class Network:
    """64 pixels → hidden units → 10 logits, with the call where the role has it.

    activation: call(images · w₁ᵀ + b₁) is what the hidden units say.
    weights: both matrices are call(centre + scale · w) / √inputs for latent w, and tanh is the activation, which has no
        kink of its own for a rounding to fall across.
    """

    role: str
    call: Call
    centre: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, role: str, call: Call, function: Function) -> Network:
        """Return the network, its latent weights stretched over all pieces of the function."""
        if role == "activation":
            return cls(role, call)
        low, high = function.breakpoints[0], function.breakpoints[-1]
        return cls(role, call, (low + high) / 2, STRETCH * (high - low) / 2)

    def draw(self, hidden: int, generator: torch.Generator) -> list[Tensor]:
        """Return new parameters on the CPU in float32: w₁, b₁, w₂, b₂."""
        sizes = ((PIXELS, hidden), (hidden, DIGITS))
        spread = [1.0 if self.role == "weights" else 1 / math.sqrt(inputs) for inputs, _ in sizes]
        drawn = [
            torch.randn(outputs, inputs, generator=generator) * each
            for (inputs, outputs), each in zip(sizes, spread, strict=True)
        ]
        return [drawn[0], torch.zeros(hidden), drawn[1], torch.zeros(DIGITS)]

    def logits(self, parameters: Sequence[Tensor], images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, (n, 10), and the tensors that the call was given."""
        first, first_bias, second, second_bias = parameters
        if self.role == "activation":
            given = [images @ first.T + first_bias]
            return self._called(given[0]) @ second.T + second_bias, given
        given = [self.centre + self.scale * latent for latent in (first, second)]
        into, out_of = (self._called(each) / math.sqrt(each.shape[1]) for each in given)
        return torch.tanh(images @ into.T + first_bias) @ out_of.T + second_bias, given

    def loss(self, parameters: Sequence[Tensor], batch: Digits) -> tuple[Tensor, list[Tensor]]:
        """Return the mean cross entropy, and the tensors that the call was given."""
        logits, given = self.logits(parameters, batch.images)
        return functional.cross_entropy(logits, batch.labels), given

    def _called(self, x: Tensor) -> Tensor:
        y = outputs_of(self.call(x))[0]
        if y.shape != x.shape:
            raise Wrong(f"returned a tensor of shape {tuple(y.shape)} for one of {tuple(x.shape)}")
        return y


@dataclass(frozen=True)
class Moment:
    """One step: its gradient is known, its parameters have not moved yet. given: what the call was given."""

    loss: float
    parameters: list[Tensor]
    batch: Digits
    given: list[Tensor]

    @property
    def gradient(self) -> Tensor:
        """Return the gradient of all parameters, (n,), in float64 on the CPU."""
        return _flat([torch.zeros_like(each) if each.grad is None else each.grad for each in self.parameters])


@dataclass(frozen=True)
class Training:
    """What the implementations of a block have in common when they train: everything but the call.

    The numbers come from the run's seed and `number` alone: every implementation starts from the same parameters and
    meets the same batches.
    """

    case: Case
    entry: FunctionEntry
    course: Course
    role: str
    seed: int
    number: int
    trained_on: Digits
    tested_on: Digits

    @property
    def rate(self) -> float:
        """Return the learning rate."""
        return self.course.rates[self.role]

    def network(self, call: Call) -> Network:
        """Return the network with the call in its place."""
        return Network.of(self.role, call, self.entry.function)

    def parameters(self, network: Network) -> list[Tensor]:
        """Return the parameters that training starts from, as leaves on the case's device in its dtype."""
        ((_, hidden),) = parse_shapes(self.case.shape, 1)
        dtype = torch_dtype(self.case.dtype, self.case.function)
        drawn = network.draw(hidden, self._generator("parameters"))
        return [each.to(self.case.device, dtype).requires_grad_() for each in drawn]

    def batches(self) -> Iterator[Digits]:
        """Yield batches without end, each epoch in an order of its own."""
        ((size, _),) = parse_shapes(self.case.shape, 1)
        generator = self._generator("batches")
        while True:
            order = torch.randperm(len(self.trained_on.labels), generator=generator).to(self.case.device)
            for chosen in order[: len(order) // size * size].split(size):  # type: ignore[no-untyped-call]
                yield Digits(self.trained_on.images[chosen], self.trained_on.labels[chosen])

    def moments(self, call: Call) -> Iterator[Moment]:
        """Train with the call, and yield each step before its parameters move."""
        network = self.network(call)
        parameters = self.parameters(network)
        optimizer = torch.optim.SGD(parameters, self.rate, self.course.momentum)
        for _, batch in zip(range(self.course.steps), self.batches(), strict=False):
            optimizer.zero_grad()
            loss, given = network.loss(parameters, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            yield Moment(loss.item(), parameters, batch, [each.detach() for each in given])
            optimizer.step()

    def _generator(self, purpose: str) -> torch.Generator:
        return generator_for(self.case, self.seed, f"training {self.role} {self.number} {purpose}")


@dataclass
class Tally:
    """The elements that the call was given, by piece of the function, and those of them whose gradient was wrong."""

    function: Function
    given: Tensor = field(init=False)
    wrong: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.given = torch.zeros(len(self.function.breakpoints) + 1, dtype=torch.int64)
        self.wrong = self.given.clone()

    def add(self, x: Tensor, is_wrong: Tensor) -> None:
        """Count the elements of x."""
        points = torch.tensor(self.function.breakpoints, dtype=torch.float64)
        piece = torch.bucketize(x.cpu().double(), points, right=True)
        self.given += torch.bincount(piece.flatten(), minlength=len(self.given))
        self.wrong += torch.bincount(piece[is_wrong].flatten(), minlength=len(self.given))

    def shares(self) -> list[tuple[str, float, float]]:
        """Return for each piece its name, the share of all elements in it, and the share wrong in it."""
        total = max(1, int(self.given.sum()))
        counts = zip(piece_names(self.function.breakpoints), self.given.tolist(), self.wrong.tolist(), strict=True)
        return [(name, given / total, wrong / total) for name, given, wrong in counts]


def piece_names(breakpoints: Sequence[float]) -> list[str]:
    """Return what the pieces of a function are called; a breakpoint belongs to the piece on its right.

    >>> piece_names((-5.0, 5.0)), piece_names(())
    (['x < −5', '−5 ≤ x < 5', 'x ≥ 5'], ['all x'])
    """
    texts = [f"{point:g}".replace("-", "−") for point in breakpoints]
    if not texts:
        return ["all x"]
    between = [f"{low} ≤ x < {high}" for low, high in pairwise(texts)]
    return [f"x < {texts[0]}", *between, f"x ≥ {texts[-1]}"]


def wrong_elements(entry: FunctionEntry, call: Call, x: Tensor) -> Tensor:
    """Return where the call's slope at x is wrong, on the CPU: off by more than 1 % of its scale, or not finite.

    At a kink anything between the one-sided slopes is right.
    """
    leaf = x.detach().clone().requires_grad_()
    output = outputs_of(call(leaf))[0]
    slope = gradients_of((output,), (leaf,), (torch.ones_like(output),), may_be_disconnected=True)[0].cpu().double()
    truth = tell_truth(entry, (x.detach().cpu(),), lambda values: tuple(torch.ones_like(each) for each in values))
    allowed = WRONG * torch.maximum(truth.gradients[0].abs(), truth.slopes_scale[0])
    is_right = (slope >= truth.lowest[0] - allowed) & (slope <= truth.highest[0] + allowed)
    return truth.compared[0] & ~is_right


@dataclass(frozen=True)
class Outcome:
    """What training came to. losses: of each step's batch, up to and with the first that is not finite.

    accuracy: share of the test digits that are told right; loss: mean cross entropy of all that was trained on; both
    None where the loss stopped being finite.
    """

    losses: tuple[float, ...]
    accuracy: float | None
    loss: float | None
    tally: Tally

    @property
    def broke_at(self) -> int | None:
        """Return the step, from 1, whose loss was not finite."""
        return None if math.isfinite(self.losses[-1]) else len(self.losses)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread: the tensors are small, and waiting for a second one that other work holds up is not.

    What comes out then does not depend on how many threads the run was given, either.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@one_thread()
def train(training: Training, call: Call) -> Outcome:
    """Train a network with the call."""
    losses: list[float] = []
    tally = Tally(training.entry.function)
    parameters: list[Tensor] = []
    for step, moment in enumerate(training.moments(call)):
        losses.append(moment.loss)
        parameters = moment.parameters
        if not math.isfinite(moment.loss):
            return Outcome(tuple(losses), None, None, tally)
        if step % training.course.every == 0:
            for x in moment.given:
                tally.add(x, wrong_elements(training.entry, call, x))
    network = training.network(call)
    with torch.no_grad():
        loss = network.loss(parameters, training.trained_on)[0].item()
        told = network.logits(parameters, training.tested_on.images)[0].argmax(dim=1)
    if not math.isfinite(loss):
        return Outcome((*losses, loss), None, None, tally)
    accuracy = float((told == training.tested_on.labels).double().mean())
    return Outcome(tuple(losses), accuracy, loss, tally)


@one_thread()
def what_roundings_do(training: Training) -> list[float]:
    """Return for each step how far roundings alone would have moved the parameters by then, in the 2-norm.

    That is how far the reference's gradients in the working dtype, times the learning rate and added up, lie from
    those of float64 at the same parameters on the same batches; at the least what storing the parameters rounds. It
    ends before a step whose loss is not finite.
    """
    call = training.entry.reference.implementation.call
    eps = torch.finfo(torch_dtype(training.case.dtype, training.case.function)).eps
    moved: Tensor | float = 0.0
    farthest, found = 0.0, []
    for moment in training.moments(call):
        if not math.isfinite(moment.loss):
            break
        exact = _gradient_at(training.network(call), moment, "cpu", torch.float64)
        moved = moved + training.rate * (exact - moment.gradient)
        farthest = max(farthest, float(moved.norm()), eps * float(_flat(moment.parameters).norm()))
        found.append(farthest)
    return found


@one_thread()
def first_difference(training: Training, call: Call, roundings: Sequence[float]) -> int | None:
    """Return the step, from 1, at which the call moves the parameters elsewhere by more than roundings; None for never.

    Its gradients are taken along the reference's own run, at the same parameters on the same batches, and added up.
    Two runs that each go their own way would not do: sooner or later a rounding falls across a kink, where the slope
    jumps, and from then on they may lie a thousand times farther apart, though both are right.
    """
    network = training.network(call)
    moved: Tensor | float = 0.0
    reference = training.moments(training.entry.reference.implementation.call)
    for step, (moment, rounding) in enumerate(zip(reference, roundings, strict=False), 1):
        found = _gradient_at(network, moment, training.case.device, moment.parameters[0].dtype)
        moved = moved + training.rate * (found - moment.gradient)
        if not float(moved.norm()) <= ROUNDINGS * rounding:
            return step
    return None


def _gradient_at(network: Network, moment: Moment, device: str, dtype: torch.dtype) -> Tensor:
    """Return the gradient of all parameters where another network stands, (n,), in float64 on the CPU."""
    parameters = [each.detach().to(device, dtype, copy=True).requires_grad_() for each in moment.parameters]
    loss, _ = network.loss(parameters, moment.batch.to(device, dtype))
    return _flat(gradients_of((loss,), parameters, (torch.ones_like(loss),), may_be_disconnected=True))


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([each.detach().cpu().double().flatten() for each in tensors])


def step_pass(training: Training, call: Call, beat: Callable[[], object]) -> Pass:
    """Return a step of training, to be timed: forward, backward, optimizer. beat: told before each round.

    At learning rate 0 the optimizer does all its work, and every round meets the same parameters and the same batch.
    """
    still = replace(training, course=replace(training.course, rates={training.role: 0.0}))
    network = still.network(call)
    parameters = still.parameters(network)
    optimizer = torch.optim.SGD(parameters, still.rate, still.course.momentum)
    batch = next(still.batches())

    def prepare(iterations: int) -> Iterator[Digits]:
        beat()
        return repeat(batch, iterations)

    def run(batches: Iterator[Digits]) -> None:
        for each in batches:
            optimizer.zero_grad()
            network.loss(parameters, each)[0].backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return Pass(prepare, run)
