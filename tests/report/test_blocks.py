from __future__ import annotations

import pytest

from gradgauge.report.blocks import Link

TRACE = "traces/relu-where-eager-cpu-float32-64x64+64-contiguous/gradgauge.1.pt.trace.json.gz"


def test_a_link_leads_to_a_file_of_the_run_folder() -> None:
    assert Link(TRACE).href == TRACE.replace("+", "%2B")
    assert Link(TRACE).text == TRACE


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "//evil.example/trace.json",
        "https://evil.example/trace.json",
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "C:/Windows/system.ini",
        "C:\\Windows\\system.ini",
        "\\\\host\\share",
        "traces\\trace.json",
        "../other/trace.json",
        "traces/../../trace.json",
        "traces/..",
        "..",
        ":",
    ],
)
def test_a_path_that_may_lead_elsewhere_is_no_link(path: str) -> None:
    for whole in (path, f"{path}/x.json"):
        assert Link(whole).href == ""
        assert Link(whole).text == whole


@pytest.mark.parametrize("path", ["traces/page.html", "traces/a.svg", "traces/a.json.xhtml", "traces/a", "a.json/"])
def test_what_a_browser_might_run_is_no_link(path: str) -> None:
    assert Link(path).href == ""


@pytest.mark.parametrize(
    ("path", "href"),
    [
        ("traces/a b?c#d.json", "traces/a%20b%3Fc%23d.json"),
        ("traces/%2e%2e/x.json", "traces/%252e%252e/x.json"),
        ('traces/"><script>.json', "traces/%22%3E%3Cscript%3E.json"),
        ("traces/漢.json", "traces/%E6%BC%A2.json"),
        ("traces/a\ud800.json", "traces/a%3F.json"),
        ("traces/a:b.json", "traces/a%3Ab.json"),
        ("traces/..hidden.json.gz", "traces/..hidden.json.gz"),
    ],
)
def test_what_means_something_in_an_address_is_encoded(path: str, href: str) -> None:
    assert Link(path).href == href
