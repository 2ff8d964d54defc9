"""A page as a test reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from gradgauge.report.document import _SCRIPTS, _file

VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Page(HTMLParser):
    """The elements of a page with their attributes, its text a section, and whether its tags balance."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)
    where: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self.where = dict(attrs)["id"] or ""
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open_tags or self.open_tags.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.sections[self.where] = self.sections.get(self.where, "") + data


def section(html: str, name: str) -> str:
    """Return a section's text in one line, a space between cells."""
    spaced = re.sub(r"(?=</t[dh]>|</li>)", " ", html)
    return re.sub(r"\s+", " ", read(spaced).sections[name])


def without_scripts(html: str) -> str:
    """Return a page without its own three scripts and its records, which it holds as base64; any other stays."""
    for name in _SCRIPTS:
        html = html.replace(f"<script>{_file(name)}</script>\n", "")
    return re.sub(r'<script type="application/octet-stream" id="records-data">[A-Za-z0-9+/=]+</script>\n', "", html)


def read(html: str) -> Page:
    """Return a page as read, but for its own scripts."""
    page = Page()
    page.feed(without_scripts(html))
    page.close()
    return page
