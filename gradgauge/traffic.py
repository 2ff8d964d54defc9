"""The bytes that a pass must move by the function's definition."""

from __future__ import annotations

from torch import Tensor

from gradgauge.passes import Subject


def moved_bytes(subject: Subject, backward_reads: tuple[int, ...]) -> int:
    """Return the bytes that the subject's pass must move: each input read once, each result written once.

    A backward reads its cotangents and the inputs that its derivative depends on (their indices), and writes one
    gradient for each input. What an implementation reads and writes besides is its own choice.
    """
    sizes, outputs = [_bytes_of(tensor) for tensor in subject.inputs], sum(map(_bytes_of, subject.grad_outputs))
    forward = sum(sizes) + outputs
    gradients = sum(tensor.numel() * tensor.element_size() for tensor in subject.inputs)  # dense, whatever the input is
    backward = outputs + sum(sizes[index] for index in backward_reads) + gradients
    totals = {"inference": forward, "forward": forward, "backward": backward, "forward_backward": forward + backward}
    return totals[subject.case.pass_]


def _bytes_of(tensor: Tensor) -> int:
    # A dimension of stride 0 repeats what was read already.
    count = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride else min(size, 1)
    return count * tensor.element_size()
