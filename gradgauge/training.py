"""Training a small network with a call in it: from the same numbers whatever the call, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise, repeat

import torch
from torch import Tensor

from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.cases import Case, parse_shapes
from gradgauge.catalog import FunctionEntry
from gradgauge.inputs import generator_for, torch_dtype
from gradgauge.model import Function
from gradgauge.networks import Digits, Network
from gradgauge.oracle import tell_truth
from gradgauge.passes import Pass

WRONG = 0.01
"""A gradient is wrong where it is off by more than this share of the larger of itself and the largest slope."""


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
class Moment:
    """One step: its gradient is known, its parameters have not moved yet. given: what the call was given."""

    loss: float
    parameters: list[Tensor]
    batch: Digits
    given: list[Tensor]

    @property
    def gradient(self) -> Tensor:
        """Return the gradient of all parameters, (n,), in float64 on the CPU."""
        return flat([torch.zeros_like(each) if each.grad is None else each.grad for each in self.parameters])


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """Return the numbers of all tensors, (n,), in float64 on the CPU."""
    return torch.cat([each.detach().cpu().double().flatten() for each in tensors])


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
