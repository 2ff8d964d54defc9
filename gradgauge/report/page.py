"""The page: sections rendered to blocks, blocks to one HTML file that fetches nothing."""

from __future__ import annotations

import itertools
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gradgauge.report.blocks import Svg
from gradgauge.report.data import RunData
from gradgauge.report.discovery import discover
from gradgauge.report.figures.style import css_variables
from gradgauge.report.formatting import plural
from gradgauge.report.summary import failing, state_of


def render_page(run: RunData) -> str:
    """Return the report as HTML. Everything that comes from the run is escaped; only our own drawings are markup."""
    rendered = [(section, section.render(run)) for section in discover()]
    environment = Environment(
        loader=PackageLoader("gradgauge.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    numbers = itertools.count(1)

    def drawing(svg: Svg) -> Markup:
        return Markup(svg.scoped(f"f{next(numbers)}"))  # noqa: S704  (figures.svg escapes what it is given)

    environment.filters["drawing"] = drawing
    css = resources.files("gradgauge.report").joinpath("template/report.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        run=run.description,
        facts=_facts(run),
        state=state_of(run),
        problems=failing(run),
        gate=str(run.gate.status) if run.gate else "",
        records=plural(len(run.records), "record"),
        sections=[(section, blocks) for section, blocks in rendered if blocks],
        css=Markup(css),  # noqa: S704  (our own file)
        colours=css_variables(),
    )


def _facts(run: RunData) -> list[tuple[str, str]]:
    description = run.description
    facts = [
        ("Run", description.run_id),
        ("Started", description.start),
        ("Preset", description.preset),
        ("Seed", description.seed),
        ("Machine", _machine(run)),
    ]
    return [(name, value) for name, value in facts if value]


def _machine(run: RunData) -> str:
    """Return what names the accelerators that were measured on and the processor, wherever the environment has it."""
    environment = run.description.environment
    measured = {record.case.device for record in run.records}
    listed = environment.get("accelerators") if isinstance(environment, dict) else None
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    names = [entry.get("name") for entry in entries if entry.get("device") in measured]
    wanted = ("cpu_model", "model", "gpu_name", "cpu")
    processor = next((text for key in wanted for text in _texts(environment, key)), "")
    return ", ".join(dict.fromkeys(name for name in (*names, processor) if name and isinstance(name, str)))


def _texts(value: object, wanted: str) -> list[str]:
    if not isinstance(value, dict):
        return []
    here = [item for key, item in value.items() if key == wanted and isinstance(item, str)]
    return here + [text for item in value.values() for text in _texts(item, wanted)]
