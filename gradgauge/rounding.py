"""Arithmetic whose every step is off by a rounding, to see how far correctly rounded steps may lead.

Source: Parker (1997), "Monte Carlo arithmetic"; Higham (2002), "Accuracy and stability of numerical algorithms", § 2.2
for the model: every operation's result is the exact one, off by at most a rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradgauge.ulps import ulp

CORRECTLY_ROUNDED_ULP = 0.5
LIBRARY_ULP = 2.0
"""What exp, erf, tanh and their kind may be off by: the CUDA C++ Programming Guide, "Mathematical Functions", has 2 ulp
for most of them; SLEEF, which PyTorch computes many with on a CPU, promises 1.0."""

KERNEL_ULP = 8.0
"""What a kernel of many steps may be off by that is not taken apart here: several roundings and library functions."""

_KERNELS = frozenset({"_softmax", "_log_softmax", "native_layer_norm", "lgamma", "digamma", "polygamma"})
_ROUNDED = frozenset(
    """
    add sub rsub mul div reciprocal sqrt addcmul addcdiv lerp square sum mean mm bmm addmm baddbmm dot mv
    """.split()  # noqa: SIM905  (a hundred quotation marks hide the names)
)
_SUMS = frozenset({"sum", "mean", "mm", "bmm", "addmm", "baddbmm", "dot", "mv"})
"""Their terms may cancel: n roundings of the accumulator, at the sum of the terms' sizes, add up like √n."""
_EXACT = frozenset(
    """
    abs neg sign sgn where clamp clamp_min clamp_max minimum maximum fmin fmax amax amin relu threshold
    threshold_backward hardtanh hardtanh_backward ceil floor round trunc copysign heaviside ldexp masked_fill positive
    nan_to_num fill zero fmod remainder frac max min sort topk
    copy clone to _to_copy detach alias lift_fresh scalar_tensor view _unsafe_view reshape expand permute transpose t
    squeeze unsqueeze slice select narrow index index_put _index_put_impl index_select gather scatter masked_select
    masked_scatter cat stack split chunk flip roll repeat constant_pad_nd unfold as_strided select_backward
    slice_backward empty empty_like empty_strided zeros zeros_like ones ones_like full full_like arange new_empty
    new_zeros new_ones new_full new_empty_strided
    """.split()  # noqa: SIM905
)


class RoundedSteps(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Within it each operator's float64 result is moved, up or down at random, by what rounding it to a dtype may cost.

    What PyTorch computes in one call but as several steps is taken apart first.
    """

    def __init__(self, dtype: torch.dtype, generator: torch.Generator) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._dtype, self._generator = dtype, generator

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operator."""
        kwargs = kwargs or {}
        steps = _steps_of(func)
        if steps is not None:
            with self:
                result = steps(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        name = func._schema.name.partition("::")[2]  # noqa: SLF001  (an operator has no public name)
        if name in _SUMS:
            result = self._summed(func, args, kwargs, result)
        cost = _cost_ulp(name.rstrip("_"))
        if not cost:
            return result
        if name.endswith("_"):  # in place: the result is the first argument
            return result.copy_(self._rounded(result, cost))
        return torch.utils._pytree.tree_map_only(Tensor, lambda out: self._rounded(out, cost), result)  # noqa: SLF001

    def _summed(self, func: Any, args: Any, kwargs: Any, out: Tensor) -> Tensor:
        if out.dtype != torch.float64 or not out.numel():
            return out
        sizes = func(*torch.utils._pytree.tree_map_only(Tensor, torch.abs, args), **kwargs)  # noqa: SLF001
        terms = max(tensor.numel() for tensor in args if isinstance(tensor, Tensor)) / out.numel()
        if func._schema.name.rpartition("::")[2] not in {"sum", "mean"}:  # noqa: SLF001
            terms = args[-1].shape[-2 if args[-1].dim() > 1 else 0]  # a product of matrices
        accumulator = torch.float64 if self._dtype == torch.float64 else torch.float32
        off = self._signs(out) * CORRECTLY_ROUNDED_ULP * math.sqrt(terms) * ulp(sizes, accumulator)
        return torch.where(out.isfinite() & off.isfinite() & (terms > 1), out + off, out)

    def _signs(self, out: Tensor) -> Tensor:
        return torch.randint(0, 2, out.shape, generator=self._generator, dtype=torch.float64) * 2 - 1

    def _rounded(self, out: Tensor, cost_ulp: float) -> Tensor:
        return out + self._off(out, cost_ulp) if out.dtype == torch.float64 else out

    def _off(self, out: Tensor, cost_ulp: float) -> Tensor:
        # The float64 oracle is rounded as well, so that the two may lie a whole ulp apart; and half an ulp is a tie,
        # which would leave every other float64 where it is.
        cost_ulp = max(1.0, cost_ulp) if self._dtype == torch.float64 else cost_ulp
        # What the dtype holds needs no rounding; a float64 result that fits a float32 is taken to be exact by design.
        is_exact = out == out.to(torch.float32 if self._dtype == torch.float64 else self._dtype)
        return torch.where(is_exact | ~out.isfinite(), 0.0, self._signs(out) * cost_ulp * ulp(out, self._dtype))


class StoredSteps(RoundedSteps):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Within it each operator's float64 result becomes what a dtype would hold of it, infinite or 0 if need be."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__(dtype, torch.Generator())

    def _summed(self, func: Any, args: Any, kwargs: Any, out: Tensor) -> Tensor:
        del self, func, args, kwargs
        return out

    def _rounded(self, out: Tensor, cost_ulp: float) -> Tensor:
        del cost_ulp
        return out.to(self._dtype).double() if out.dtype == torch.float64 else out


def _cost_ulp(name: str) -> float:
    if name in _ROUNDED:
        return CORRECTLY_ROUNDED_ULP
    if name in _KERNELS:
        return KERNEL_ULP
    return 0.0 if name in _EXACT else LIBRARY_ULP


def _steps_of(func: Any) -> Callable[..., Any] | None:
    aten = torch.ops.aten
    if func is aten.sigmoid.default:
        return lambda x: 1 / (1 + torch.exp(-x))
    steps: Callable[..., Any] | None = _decompositions().get(func)
    return steps


_TABLE: dict[Any, Callable[..., Any]] = {}


def _decompositions() -> dict[Any, Callable[..., Any]]:
    if not _TABLE:
        _TABLE.update(torch.export.default_decompositions().items())  # type: ignore[no-untyped-call]
    return _TABLE
