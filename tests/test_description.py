from __future__ import annotations

from pathlib import Path

import pytest

from gradgauge.catalog import Broken, Catalog, load
from gradgauge.description import describe_catalog
from tests.fakes import write_function


def test_a_function_is_described_by_what_it_defines(catalog: Catalog) -> None:
    relu = describe_catalog(catalog, ("cpu",))["functions"]["relu"]
    assert relu["inputs"] == ["x"]
    assert relu["kinks"] == [{"name": "x = 0", "point": 0.0, "slopes": (0.0, 1.0)}]
    assert relu["breakpoints"] == [0.0]
    assert (relu["value_budget_ulp"], relu["gradient_budget_ulp"]) == (None, None)  # derived from data
    assert relu["origin"] == "built-in"
    assert "x ≥ 0" in relu["formula"]
    assert relu["implementations"]["native"]["convention"] == {"x = 0": 0.0}


def test_what_is_expected_to_fail_says_why(catalog: Catalog) -> None:
    published = describe_catalog(catalog, ("cpu",))["functions"]["ternary_activation"]["implementations"]["published"]
    assert set(published["expected_fail"]) == {"gradient_max_ulp", "gradient_nonfinite", "gradcheck", "double_backward"}


def test_a_mode_is_available_when_one_device_has_it(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = {"cpu": "no compiler", "cuda:0": ""}
    monkeypatch.setattr(
        "gradgauge.description.unavailable_reason", lambda implementation, mode, device: reasons[device]
    )

    def modes(*chosen: str) -> dict[str, dict[str, object]]:
        described = describe_catalog(catalog, chosen)["functions"]["relu"]["implementations"]["where"]["modes"]
        return dict(described)

    assert modes("cpu")["eager"] == {"available": False, "reason": "no compiler"}
    assert modes("cpu", "cuda:0")["compiled"] == {"available": True, "reason": "no compiler"}


def test_what_is_missing_makes_a_mode_unavailable_with_its_reason(tmp_path: Path) -> None:
    text = "from gradgauge.model import Implementation\nIMPLEMENTATION = Implementation(abs, requires=('cuda',))"
    found = load([write_function(tmp_path, fast=text)])
    fast = describe_catalog(found, ("cpu",))["functions"]["twice"]["implementations"]["fast"]
    assert fast["requires"] == ["cuda"]
    assert fast["modes"]["eager"] == {"available": False, "reason": "needs a cuda device"}
    assert fast["origin"] == str(tmp_path / "twice" / "fast.py")


def test_what_is_broken_is_described_by_file_line_and_message() -> None:
    described = describe_catalog(Catalog({}, (Broken("/m/x.py", 3, "why"),)), ("cpu",))
    assert described == {"functions": {}, "broken": [{"file": "/m/x.py", "line": 3, "message": "why"}]}
