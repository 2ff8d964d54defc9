"""Every behaviour that is asked about: its name, its question, in which modes it is asked, in which order."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from gradgauge.attempts import Failure, NotApplicable, attempt
from gradgauge.behavior import calls, capture, derivatives, process, streams, tensors, transforms
from gradgauge.behavior.subject import Subject
from gradgauge.gradient_metrics import JUDGED
from gradgauge.records import Metric, Verdict

EAGER = ("eager",)


@dataclass(frozen=True)
class Behavior:
    """One question. check: raises Wrong, Unsupported or NotApplicable, and returns what is worth saying else.

    modes: in which it is asked. Transforms are asked of eager calls alone: one that is refused makes torch.compile
    leave the code alone for good, and what is called compiled from then on runs eagerly. disturbs: what torch.compile
    makes for it was seen to serve later plain calls, too, so it is tried last.
    """

    check: Callable[[Subject], str]
    modes: tuple[str, ...] = ("eager", "compiled")
    disturbs: bool = False

    @property
    def name(self) -> str:
        """Return what records and options call it."""
        return self.check.__name__

    @property
    def question(self) -> str:
        """Return what is asked, in a sentence."""
        return (self.check.__doc__ or "").strip().splitlines()[0]

    @property
    def metric(self) -> Metric:
        """Return the metric under which the verdict is filed: 0 or 1 faults."""
        return Metric(self.name, "count", "lower", exact=True, help=self.question)


BEHAVIORS = (
    Behavior(derivatives.double_backward),
    Behavior(derivatives.jvp, EAGER),
    Behavior(transforms.func_grad, EAGER),
    Behavior(transforms.vmap, EAGER),
    Behavior(transforms.vmap_grad, EAGER),
    Behavior(capture.fullgraph, EAGER),
    Behavior(capture.dynamic_shapes, EAGER),
    Behavior(capture.export, EAGER),
    Behavior(capture.fake_tensors, EAGER),
    Behavior(capture.opcheck, EAGER),
    Behavior(calls.autocast, EAGER),
    Behavior(tensors.inputs_unchanged),
    Behavior(tensors.saved_unchanged, disturbs=True),
    Behavior(tensors.no_alias),
    Behavior(tensors.in_place_change),
    Behavior(tensors.released),
    Behavior(tensors.needs_input_grad, EAGER),
    Behavior(calls.retained_graph),
    Behavior(calls.repeatable),
    Behavior(calls.threads),
    Behavior(calls.copies),
    Behavior(process.global_state, EAGER),
    Behavior(streams.side_stream),
    Behavior(streams.cuda_graph, EAGER),
)
NAMES = tuple(behavior.name for behavior in BEHAVIORS)

EXPECTABLE = (*JUDGED, *(behavior.metric for behavior in BEHAVIORS))
"""What an implementation's `expected_fail` may name."""


def in_order() -> list[Behavior]:
    """Return all of them in the order in which they are tried: what disturbs comes last."""
    return sorted(BEHAVIORS, key=lambda behavior: behavior.disturbs)


def try_behavior(behavior: Behavior, subject: Subject) -> Failure:
    """Return the verdict on one behaviour, `pass` included, with what is worth saying of it."""

    def tried() -> str:
        if subject.mode not in behavior.modes:
            raise NotApplicable("asked of the call itself, in eager mode")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return behavior.check(subject)

    outcome = attempt(behavior.name, tried)
    return outcome if isinstance(outcome, Failure) else Failure(Verdict.PASS, outcome)
