"""How soon a page shows, and how soon it answers, in a Chromium of the machine's own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_MS = 120_000

# In force before the page's own scripts: when they are done, the page says so in an attribute.
WATCH = """
window.readyAt = null;
new MutationObserver(() => {
  if (window.readyAt === null && document.documentElement.dataset.ready) window.readyAt = performance.now();
}).observe(document, { attributes: true, attributeFilter: ["data-ready"], subtree: true });
"""
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
UNFOLD = "() => document.querySelectorAll('details').forEach((each) => { each.open = true; })"
# From the change of the filter to the second frame after it: what the first one shows has then been painted.
FILTER = """async (index) => {
  const select = document.querySelector('form#filters select[name="function"]');
  if (!select || select.options.length <= index) return null;
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const started = performance.now();
  select.selectedIndex = index;
  select.dispatchEvent(new Event("change", { bubbles: true }));
  await frame();
  await frame();
  return performance.now() - started;
}"""


@dataclass(frozen=True)
class PageSpeed:
    """Seconds from asking for the page, and from changing its filter; None where it never came, or has no filter."""

    first_paint_s: float | None = None
    ready_s: float | None = None
    filter_s: float | None = None
    unfolded_filter_s: float | None = None


def page_speed(file: Path) -> tuple[PageSpeed, str]:
    """Return what was measured, and what is to be said beside it: why nothing was, or when the page was ready."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return PageSpeed(), f"Not opened in a browser: none of {', '.join(BROWSERS)} is on the PATH."
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return PageSpeed(), "Not opened in a browser: playwright is not installed."
    with (
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"]) as chromium,
    ):
        page = chromium.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        speed = _measured(page, file)
    return speed, _remark(speed)


def _measured(page: Page, file: Path) -> PageSpeed:
    page.add_init_script(WATCH)
    page.goto(file.resolve().as_uri(), wait_until="load")
    # Whoever has no script to be ready has been so since it was loaded.
    page.wait_for_timeout(500)
    painted, ready = _seconds(page.evaluate(PAINTED)), _seconds(page.evaluate("() => window.readyAt"))
    folded = _seconds(page.evaluate(FILTER, 1))
    page.evaluate(UNFOLD)
    page.wait_for_timeout(2_000)
    return PageSpeed(painted, ready, folded, _seconds(page.evaluate(FILTER, 2)))


def _remark(speed: PageSpeed) -> str:
    if speed.ready_s is None:
        return "The page never said that its scripts were done."
    said = f"The page was ready after {speed.ready_s:.2f} s."
    return said if speed.filter_s is not None else f"{said} It has no filter by function, or too little to filter."


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1e3
