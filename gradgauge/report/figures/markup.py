"""Matplotlib's SVG as it stands in a page: the page's fonts and colours, and a third of the length."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from gradgauge.report.blocks import ID_TOKEN

_FONT = re.compile(r"font(-family)?:\s*(?:[a-z]+ )*([\d.]+px)?[^;]*;?")
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
_REFERENCE = re.compile(r"(?<=#)[\w-]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")
_NO_TURN = re.compile(r"rotate\(-?0 [^)]*\)")
_GEOMETRY = {"x", "y", "x1", "x2", "y1", "y2", "points", "transform", "width", "height"}
_SAID = re.compile(r"(?:mode=(?P<mode>\w*); )?(?:said: (?P<text>.*))?", re.DOTALL)
_WITHOUT_EFFECT = ("stroke-dashoffset: 0", "stroke-linejoin: miter")
_DECIMALS = 1

Step = tuple[int, int]
"""Across and down, in the smallest unit that is written."""


def gid_of(text: str, mode: str) -> str:
    """Return the id by which an artist carries what is said of it and its mode through matplotlib."""
    return f"{f'mode={mode}; ' if mode else ''}{f'said: {text}' if text else ''}"


@dataclass(frozen=True)
class Markup:
    """Turns elements into text. colours: of a drawing → of the page; names: the ids that are referred to, shortened."""

    colours: Mapping[str, str]
    names: Mapping[str, str]

    @classmethod
    def of(cls, root: ET.Element, colours: Mapping[str, str]) -> Markup:
        """Return what writes this drawing."""
        numbers = count()
        defined = [each.attrib["id"] for each in root.iter() if "id" in each.attrib and _tag(each) != "g"]
        return cls(colours, {name: f"{next(numbers):x}" for name in defined})

    def write(self, element: ET.Element) -> str:
        """Return an element with all that is in it; groups that say nothing are left out, and what cannot be seen."""
        tag = _tag(element)
        if tag in ("metadata", "style") or (tag == "path" and _is_invisible(element)):
            return ""
        attributes = "".join(
            self._attribute(tag, name.rpartition("}")[2], value) for name, value in element.attrib.items()
        )
        inside = "".join(self.write(child) for child in element)
        if tag == "g":
            said = _SAID.fullmatch(element.attrib.get("id", ""))
            attributes += f" data-mode={quoteattr(said['mode'])}" if said and said["mode"] else ""
            inside = f"<title>{escape(said['text'])}</title>{inside}" if said and said["text"] else inside
            if not attributes and not inside.startswith("<title>"):
                return inside
        inside = escape(element.text.strip() if element.text else "") + inside
        if not inside:
            return "" if tag in ("g", "defs") else f"<{tag}{attributes}/>"
        return f"<{tag}{attributes}>{inside}</{tag}>"

    def _attribute(self, tag: str, name: str, value: str) -> str:
        if name == "id":
            # Groups are never referred to.
            return "" if tag == "g" else f' id="{ID_TOKEN}{self.names[value]}"'
        if name == "d":
            value = _path(value)
        elif name in _GEOMETRY:
            value = _NO_TURN.sub("", _NUMBER.sub(lambda match: _short(float(match.group())), value)).strip()
        elif name == "style":
            value = self._style(tag, value)
        else:
            value = _REFERENCE.sub(lambda match: f"{ID_TOKEN}{self.names.get(match.group(), match.group())}", value)
        return f" {name}={quoteattr(value)}" if value else ""

    def _style(self, tag: str, value: str) -> str:
        value = _FONT.sub(lambda match: f"font-size: {match.group(2)};" if match.group(2) else "", value)
        value = _COLOUR.sub(lambda match: self.colours.get(match.group().lower(), match.group()), value)
        value = _REFERENCE.sub(lambda match: self.names.get(match.group(), match.group()), value)
        value = value.replace("url(#", f"url(#{ID_TOKEN}")
        said = [part.strip() for part in value.split(";") if part.strip() and part.strip() not in _WITHOUT_EFFECT]
        if tag == "text" and not any(part.startswith("fill") for part in said):
            said.append("fill: currentColor")
        return ";".join(part.replace(": ", ":") for part in said)


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _is_invisible(element: ET.Element) -> bool:
    return "id" not in element.attrib and element.attrib.get("style", "").strip() == "fill: none"


def _path(described: str) -> str:
    """Return a path's data, its lines relative to where each begins, so rounded that no error adds up.

    Level and upright lines that go on in one direction are one line.

    >>> _path("M 10.04 20 L 30.26 20 L 40 20 L 30.26 40.5 z"), _path("M 0 3 C 0.8 3 1.56 2.7 2.1 2.1")
    ('M10 20h30l-9.7 20.5z', 'M0 3C.8 3 1.6 2.7 2.1 2.1')
    """
    found: list[str] = []
    steps: list[Step] = []
    here = (0, 0)
    for command, rest in _COMMAND.findall(described):
        numbers = [round(float(number) * 10**_DECIMALS) for number in rest.split()]
        if command == "L":
            _add(steps, (numbers[0] - here[0], numbers[1] - here[1]))
        else:
            found += [_lines(steps), command, " ".join(_short(number / 10**_DECIMALS) for number in numbers)]
            steps = []
        here = (numbers[-2], numbers[-1]) if numbers else here
    return "".join([*found, _lines(steps)]).replace(" -", "-")


def _add(steps: list[Step], step: Step) -> None:
    for axis in (0, 1):
        if steps and not (step[axis] or steps[-1][axis]) and step[1 - axis] * steps[-1][1 - axis] >= 0:
            steps[-1] = (steps[-1][0] + step[0], steps[-1][1] + step[1])
            return
    steps.append(step)


def _lines(steps: list[Step]) -> str:
    """Return lines one after the other: `h3`, `v-2`, `l3 4 5 6`."""
    found, before = "", ""
    for across, down in steps:
        command = "l" if across and down else "v" if down else "h"
        told = [number for name, number in (("v", across), ("h", down)) if name != command]
        separator = " " if command == before else command
        found += separator + " ".join(_short(number / 10**_DECIMALS) for number in told)
        before = command
    return found


def _short(number: float) -> str:
    """Return a number with one decimal, nothing that may be left out: `.5`, `-3`, `0`."""
    text = f"{number:.{_DECIMALS}f}".rstrip("0").rstrip(".")
    return re.sub(r"^(-?)0\.", r"\1.", "0" if text in ("-0", "") else text)
