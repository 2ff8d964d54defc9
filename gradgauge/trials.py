"""Run a call once on the inputs of a truth, in a way that users' code meets and tests rarely try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradgauge.attempts import Wrong
from gradgauge.backwards import Returned, watch_backwards
from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.cases import Case
from gradgauge.inputs import lay_out
from gradgauge.oracle import Truth


class WrongStructure(Wrong):
    """Outputs of the wrong number, shape, dtype or device; the message says which and what was right."""


@dataclass(frozen=True)
class Way:
    """How a call is made and what its backward is sent; the empty way is the case's own.

    input_layout: instead of the case's, of all inputs or of each. grad_output_layout: a layout, or `repeated`: one
    number for all elements with stride 0, as `sum().backward()` sends it. asked: which inputs require a gradient.
    answered: which outputs get a cotangent, the others' being undefined. records_graph: not under `torch.no_grad`.
    """

    input_layout: str | tuple[str, ...] = ""
    grad_output_layout: str = "contiguous"
    asked: tuple[bool, ...] = ()
    answered: tuple[bool, ...] = ()
    records_graph: bool = True


class Trial:
    """One forward, and one backward when `finish` is called; several may be under way at once.

    truth, way: what it was made of. layouts: of each input. values, gradients (None where not asked for), returned (of
    custom backwards), overwritten: which of the caller's tensors hold other numbers than before, in words.
    """

    def __init__(self, case: Case, call: Call, truth: Truth, way: Way = Way()) -> None:
        layout = way.input_layout or case.layout
        self.layouts = (layout,) * len(truth.inputs) if isinstance(layout, str) else layout
        asked = way.asked or (True,) * len(truth.inputs)
        self.truth, self.way = truth, way
        self.inputs = tuple(
            lay_out(tensor.to(case.device, copy=True), each).detach().requires_grad_(ask)
            for tensor, each, ask in zip(truth.inputs, self.layouts, asked, strict=True)
        )
        with torch.set_grad_enabled(way.records_graph):
            result = call(*self.inputs)
        self.values = outputs_of(result)
        if isinstance(result, tuple) != truth.is_tuple:
            names = ("tuple", "tensor") if isinstance(result, tuple) else ("tensor", "tuple")
            raise WrongStructure("returned a {} where the reference returns a {}".format(*names))
        _check_structure(self.values, truth, self.inputs[0])
        self.gradients: tuple[Tensor | None, ...] = ()
        self.returned = Returned()
        self.overwritten: tuple[str, ...] = ()

    def finish(self) -> Trial:
        """Run the backward."""
        answered = self.way.answered or (True,) * len(self.values)
        device = self.inputs[0].device
        grad_outputs = tuple(
            _spread(grad.to(device, copy=True), self.way.grad_output_layout) for grad in self.truth.grad_outputs
        )
        asked = [tensor for tensor in self.inputs if tensor.requires_grad]
        sent = [
            pair for pair, is_sent in zip(zip(self.values, grad_outputs, strict=True), answered, strict=True) if is_sent
        ]
        # Where the oracle's gradients are zero, too, an output without a graph is as right as one with zeros.
        wanted = zip(self.truth.gradients, self.inputs, strict=True)
        is_constant = not any(gradient.any() for gradient, tensor in wanted if tensor.requires_grad)
        values, grads = [value for value, _ in sent], [grad for _, grad in sent]
        with watch_backwards(self.values) as self.returned:
            found = iter(gradients_of(values, asked, grads, may_be_disconnected=is_constant or not asked))
        self.gradients = tuple(next(found) if tensor.requires_grad else None for tensor in self.inputs)
        self.overwritten = (
            *_changed("input", self.inputs, self.truth.inputs),
            *_changed("grad_output", grad_outputs, self.truth.grad_outputs),
        )
        return self


def _spread(tensor: Tensor, layout: str) -> Tensor:
    if layout == "repeated" and tensor.numel():
        return tensor.reshape(-1)[0].clone().expand(tensor.shape)
    return lay_out(tensor, layout)


def _changed(what: str, tensors: Sequence[Tensor], before: Sequence[Tensor]) -> list[str]:
    found = []
    for index, (tensor, given) in enumerate(zip(tensors, before, strict=True)):
        now = tensor.detach().cpu()
        if not ((now == given) | (now.isnan() & given.isnan())).all():
            found.append(f"{what} {index}")
    return found


def _check_structure(values: Sequence[Tensor], truth: Truth, like: Tensor) -> None:
    if len(values) != len(truth.values):
        raise WrongStructure(f"{len(values)} outputs, the reference has {len(truth.values)}")
    for index, (value, right) in enumerate(zip(values, truth.values, strict=True)):
        for what, got, wanted in (
            ("shape", tuple(value.shape), tuple(right.shape)),
            ("dtype", value.dtype, like.dtype),
            ("device", value.device, like.device),
        ):
            if got != wanted:
                raise WrongStructure(f"output {index} has {what} {got}, the reference has {wanted}")
