"""Custom Functions as users write them, right ones and wrong ones, and what runs the snippets told of them."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from gradgauge.checking import CheckFailed, Findings, check
from gradgauge.records import Verdict

Call = Callable[..., Any]
EXAMPLE = torch.tensor([[-1.3, 0.4, 1.7], [2.1, -0.2, 0.9]])
QUICK = ("agreement", "edges", "nonfinite", "strided_cotangent", "interleaved", "expanded_input", "empty", "gradcheck")


def slope_of_silu(x: Tensor) -> Tensor:
    """Return the derivative of x·sigmoid(x)."""
    s = torch.sigmoid(x)
    return s * (1 + x * (1 - s))


class SiLU(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0] * slope_of_silu(ctx.saved_tensors[0])


class WrongSign(SiLU):
    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        slope = slope_of_silu(x)
        return grads[0] * torch.where((x > 1) & (x < 2), -slope, slope)


class WrongAtAnEdge(SiLU):
    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return grads[0] * torch.where(x == 1.5, 0.0, slope_of_silu(x))


class WrongWhereStrided(SiLU):
    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return grads[0] * slope_of_silu(x) * (1.0 if grads[0].is_contiguous() else 2.0)


class WrongWhereExpanded(SiLU):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x) * (2.0 if x.dim() and x.stride(0) == 0 and len(x) > 1 else 1.0)


class Overflowing(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.log1p(torch.exp(x))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        exp = torch.exp(ctx.saved_tensors[0])
        return grads[0] * exp / (1 + exp)


class Stashing(Function):
    last: Tensor

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        Stashing.last = x
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0] * slope_of_silu(Stashing.last)


class RefusingEmpty(SiLU):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x.max()
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)


class RefusingBackward(SiLU):
    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise ValueError("no gradient today")


class GELU(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        return grads[0] * (0.5 * (1 + torch.erf(x / math.sqrt(2))) + x * density)


class Rounding(Function):
    """A straight-through estimator."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0]


def rounding(x: Tensor) -> Tensor:
    return torch.add(x, (x.round() - x).detach())


class Spike(Function):
    """A step with the slope of a fast sigmoid."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        ctx.save_for_backward(v)
        return (v > 0).to(v.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0] / (1 + 10 * ctx.saved_tensors[0].abs()) ** 2


def spike(v: Tensor) -> Tensor:
    soft = v / (1 + 10 * v.abs())
    return soft + ((v > 0).to(v.dtype) - soft).detach()


class Quantizing(Function):
    """x on a grid of a learned step, which is a number."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor) -> Tensor:
        ctx.save_for_backward(x, step)
        return torch.clamp(torch.round(x / step), -8, 7) * step

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, step = ctx.saved_tensors
        scaled = x / step
        inside = (scaled >= -8) & (scaled <= 7)
        by_step = torch.where(inside, scaled.round() - scaled, scaled.clamp(-8, 7))
        return grads[0] * inside, (grads[0] * by_step).sum().reshape(step.shape)


def quantizing(x: Tensor, step: Tensor) -> Tensor:
    scaled = (x / step).clamp(-8, 7)
    return (scaled + (scaled.round() - scaled).detach()) * step


class Softmax(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.exp(x - x.amax(-1, keepdim=True))
        y = y / y.sum(-1, keepdim=True)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return y * (grads[0] - (grads[0] * y).sum(-1, keepdim=True))


class DiagonalSoftmax(Softmax):
    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return y * (1 - y) * grads[0]


class NaiveSoftmax(Softmax):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.exp() / x.exp().sum(-1, keepdim=True)
        ctx.save_for_backward(y)
        return y


class Largest(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        value, index = x.max(-1)
        ctx.save_for_backward(index)
        ctx.shape = x.shape
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        index, zeros = ctx.saved_tensors[0], grads[0].new_zeros(ctx.shape)
        return zeros.scatter(-1, index.unsqueeze(-1), grads[0].unsqueeze(-1))


class Linear(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return x @ weight.t() + bias

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        return grads[0] @ weight, grads[0].t() @ x, grads[0].sum(0)


class MeanBias(Linear):
    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        return grads[0] @ weight, grads[0].t() @ x, grads[0].mean(0)


class Times(Function):
    """A product for tensors of one shape."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, y = ctx.saved_tensors
        return grads[0] * y, grads[0] * x


class WrongSecond(Times):
    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        _, y = ctx.saved_tensors
        return grads[0] * y, grads[0] * y


class SinCos(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        sin, cos = torch.sin(x), torch.cos(x)
        ctx.save_for_backward(sin, cos)
        return sin, cos

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        sin, cos = ctx.saved_tensors
        return grads[0] * cos - grads[1] * sin


class WrongCos(SinCos):
    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        sin, cos = ctx.saved_tensors
        return grads[0] * cos + grads[1] * sin


class Reversing(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return -grads[0]


class Aliasing(Reversing):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.detach()


class WrongTwice(Function):
    """What it keeps on ctx is no input: its second derivative is silently wrong."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        s = torch.sigmoid(x)
        ctx.sigmoid = s
        ctx.save_for_backward(x)
        return x * s

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (x,), s = ctx.saved_tensors, ctx.sigmoid
        return grads[0] * (s * (1 + x * (1 - s)))


def failed(fn: Call, **options: Any) -> Findings:
    """Return the findings of a check that fails."""
    try:
        found = check(fn, **({"inputs": EXAMPLE} | options))
    except CheckFailed as error:
        return error.findings
    raise AssertionError(f"nothing was found:\n{found}")


def names_of(findings: Findings, verdict: Verdict = Verdict.FAIL) -> list[str]:
    """Return the checks with a verdict, those left out that tell again what another told."""
    return [finding.check for finding in findings.of(verdict) if not finding.same_as]


def run_snippet(snippet: str) -> list[tuple[str, str]]:
    """Return what each line of a snippet prints that says what is expected, and that."""
    printed: list[tuple[str, str]] = []
    wanted = [line.partition("# expected ")[2] for line in snippet.splitlines() if line.startswith("print(")]
    lines = io.StringIO()
    with contextlib.redirect_stdout(lines):
        exec(snippet.replace("print(", "print('<>', "), {})
    said = lines.getvalue().split("<> ")[1:]
    printed += [(text.strip(), right) for text, right in zip(said, wanted, strict=True)]
    return printed
