"""The checks of this project in one call, for anybody's test: `gradgauge.check`."""

from __future__ import annotations

from gradgauge.checking.check import CHECKS, check
from gradgauge.checking.findings import CheckFailed, Finding, Findings

__all__ = ["CHECKS", "CheckFailed", "Finding", "Findings", "check"]
