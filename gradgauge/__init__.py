"""gradgauge: interchangeable implementations of one PyTorch function, measured against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradgauge.checking.check import check
    from gradgauge.checking.findings import CheckFailed

__all__ = ["CheckFailed", "check"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Importing the package must not import torch: a command line is parsed, and a report built, without it.
    if name in __all__:
        import gradgauge.checking

        return getattr(gradgauge.checking, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
