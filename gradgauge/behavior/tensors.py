"""What becomes of tensors: who writes into them, who shares their memory, who keeps them."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from gradgauge.attempts import NotApplicable, Wrong
from gradgauge.backwards import watch_backwards
from gradgauge.behavior.subject import OWN, Subject, difference, identical, may_refuse, rounding_tolerance
from gradgauge.calling import gradients_of, outputs_of
from gradgauge.compilation import graph_nodes
from gradgauge.reach import tensors_in


@dataclass(frozen=True)
class _Seen:
    """A tensor as it was: what it is called, its numbers, its version counter."""

    name: str
    tensor: Tensor
    copy: Tensor
    version: int

    @classmethod
    def of(cls, name: str, tensor: Tensor) -> _Seen:
        return cls(name, tensor, tensor.detach().clone(), tensor._version)  # noqa: SLF001  (no public name)

    @property
    def change(self) -> str:
        """What has changed since, in words; empty where nothing has."""
        counted = self.tensor._version - self.version  # noqa: SLF001
        if not identical(self.tensor.detach(), self.copy):
            bypassed = "" if counted else ", past its version counter"
            return f"writes into its {self.name}{bypassed}"
        return f"writes into its {self.name}, and leaves its numbers as they were" if counted else ""


def inputs_unchanged(subject: Subject) -> str:
    """Leave inputs and cotangents as they were: numbers and version counters, before and after."""
    for way, inputs in (
        ("", subject.leaves()),
        (" without a gradient", subject.plain()),
        (" that are results themselves", tuple(tensor.clone() for tensor in subject.leaves())),
    ):
        seen = [_Seen.of(_named("input", index, inputs), tensor) for index, tensor in enumerate(inputs)]
        values = outputs_of(subject.call(*inputs))
        # A module's own parameters give its values a graph where no input asks for a gradient.
        if inputs[0].requires_grad and any(value.requires_grad for value in values):
            grads = subject.directions(values)
            seen += [_Seen.of(_named("cotangent", index, grads), tensor) for index, tensor in enumerate(grads)]
            gradients_of(values, inputs, grads)
        for change in filter(None, (each.change for each in seen)):
            raise Wrong(f"{change}{f' (inputs{way})' if way else ''}")
    return ""


def _named(what: str, index: int, tensors: Sequence[Tensor]) -> str:
    return f"{what} {index}" if len(tensors) > 1 else what


def saved_unchanged(subject: Subject) -> str:
    """Leave what is saved for backward as it was saved, in what follows of the forward and in the backward."""
    seen: list[_Seen] = []

    def note(tensor: Tensor) -> Tensor:
        seen.append(_Seen.of(f"saved tensor {len(seen)}", tensor))
        return tensor

    inputs = subject.leaves()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        values = outputs_of(subject.call(*inputs))
    for node in graph_nodes(values):
        seen += [_Seen.of("tensor kept on ctx", tensor) for tensor in tensors_in(getattr(node, "__dict__", {}))]
    if not seen:
        raise NotApplicable("saves nothing")
    _expect_unchanged(seen, "the forward")
    if subject.mode != "eager":
        return "compiled code may use up what it saved; looked at after the forward"
    gradients_of(values, inputs, subject.directions(values), may_be_disconnected=True)
    _expect_unchanged(seen, "the backward")
    return ""


def _expect_unchanged(seen: list[_Seen], when: str) -> None:
    for each in seen:
        # A version counter may move where the numbers stay; that is the inputs' matter, which others share.
        if not identical(each.tensor.detach(), each.copy):
            raise Wrong(f"{when} {each.change}")


def no_alias(subject: Subject) -> str:
    """Return memory of one's own: an output that is an input, or a view of one, changes when the caller changes it."""
    for way, inputs in (("", subject.leaves()), (" without a gradient", subject.plain())):
        values = outputs_of(subject.call(*inputs))
        for index, value in enumerate(values):
            for number, tensor in enumerate(inputs):
                if value.numel() and value.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr():
                    names = _named("output", index, values), _named("input", number, inputs)
                    said = f" (inputs{way})" if way else ""
                    raise Wrong("its {} shares memory with its {}".format(*names) + said)
        again = outputs_of(subject.call(*subject.leaves(1)))
        for index, (value, other) in enumerate(zip(values, again, strict=True)):
            if value.numel() and value.untyped_storage().data_ptr() == other.untyped_storage().data_ptr():
                raise Wrong(f"its {_named('output', index, values)} shares memory with that of the next call")
    return ""


def in_place_change(subject: Subject) -> str:
    """Raise, or be right, where somebody changes an input or an output in place between forward and backward."""
    own = subject.run()
    tolerance = rounding_tolerance(subject.dtype)
    said = []
    for kind, number in (
        *(("input", index) for index in range(len(subject.samples[0]))),
        *(("output", index) for index in range(len(own.values))),
    ):
        leaves = subject.leaves()
        inputs = tuple(leaf.clone() for leaf in leaves)  # results themselves, which may be written into
        values = outputs_of(subject.call(*inputs))
        grads = subject.directions(values)
        with torch.no_grad():
            (inputs if kind == "input" else values)[number].mul_(-0.75).add_(0.5)
        name = _named(kind, number, inputs if kind == "input" else values)
        try:
            found = gradients_of(values, leaves, grads, may_be_disconnected=True)
        except RuntimeError:
            said.append(f"raises for the {name}")
            continue
        for got, right in zip(found, own.gradients, strict=True):
            wrong = difference(got, right, tolerance, OWN)
            if wrong:
                raise Wrong(f"changed in place before the backward, the {name} changes the gradient silently: {wrong}")
    return ", ".join(said)


def released(subject: Subject) -> str:
    """Keep nothing once the outputs are gone: no reference cycle through ctx, no list of one's own."""
    subject.run()  # caches that fill at the first call are no leak
    for way, is_finished in (("after a forward alone", False), ("after a backward", True)):
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            kept = _kept(subject, is_finished=is_finished)
            if kept:
                gc.collect()
                freed = "" if _alive(kept) else ", until Python's garbage collector runs"
                raise Wrong(f"{way} its {kept[0][0]} stays in memory when nobody holds it any more{freed}")
        finally:
            if was_enabled:
                gc.enable()
    return ""


_Kept = list[tuple[str, StorageWeakRef]]


def _kept(subject: Subject, *, is_finished: bool) -> _Kept:
    """Return the tensors of one call whose memory outlives it."""
    leaves = subject.leaves()
    inputs = tuple(leaf.clone() for leaf in leaves)
    values = outputs_of(subject.call(*inputs))
    grads = subject.directions(values)
    watched: _Kept = []
    for kind, tensors in (("input", inputs), ("output", values), ("cotangent", grads)):
        watched += [(_named(kind, i, tensors), _weak(each)) for i, each in enumerate(tensors)]
    if is_finished:
        gradients_of(values, leaves, grads, may_be_disconnected=True)
    del leaves, inputs, values, grads, tensors
    return _alive(watched)


def _weak(tensor: Tensor) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]


def _alive(watched: _Kept) -> _Kept:
    return [(name, storage) for name, storage in watched if not storage.expired()]  # type: ignore[no-untyped-call]


def needs_input_grad(subject: Subject) -> str:
    """Compute no gradient that nobody asked for; seen of custom Functions alone."""
    inputs = len(subject.samples[0])
    if inputs == 1:
        raise NotApplicable("one input: its gradient is always asked for")
    for asked in range(inputs):
        tensors = tuple(
            tensor.clone().requires_grad_(index == asked) for index, tensor in enumerate(subject.samples[0])
        )
        with may_refuse("a gradient for some inputs alone"):
            values = outputs_of(subject.call(*tensors))
        with watch_backwards(values) as returned:
            gradients_of(values, (tensors[asked],), subject.directions(values), may_be_disconnected=True)
        if returned.needless:
            others = "another input" if returned.needless == 1 else f"{returned.needless} other inputs"
            raise Wrong(f"asked for the gradient of input {asked} alone, it computes that of {others}, too")
    return ""
