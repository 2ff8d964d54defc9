from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from gradgauge.report.blocks import ID_TOKEN, Svg
from gradgauge.report.figures.markup import Markup
from gradgauge.report.figures.style import BAD, INK, PALETTE, theme
from gradgauge.report.figures.svg import new_axes, say, tag, to_svg

HOSTILE = "</title><script>alert(1)</script>"


def parsed(svg: Svg) -> ET.Element:
    return ET.fromstring(svg.scoped("f1"))


def drawn(text: str = "where, 64: 1.17 ms", mode: str = "compiled") -> Svg:
    with theme():
        figure, (axes,) = new_axes(300, 200)
        (line,) = axes.plot([0, 1, 2], [0, 1, 4], "o", color=PALETTE[0][0])
        say(line, text, mode)
        return to_svg(figure, "a line")


def write(markup: str) -> str:
    root = ET.fromstring(f'<svg xmlns:xlink="http://www.w3.org/1999/xlink">{markup}</svg>')
    return "".join(map(Markup.of(root, {INK: "currentColor", BAD: "var(--bad)"}).write, root))


def test_a_pointer_is_told_what_it_rests_on_and_the_filter_which_mode_it_is() -> None:
    groups = [each for each in parsed(drawn()).iter("g") if each.get("data-mode")]
    assert [(each.get("data-mode"), each.findtext("title")) for each in groups] == [("compiled", "where, 64: 1.17 ms")]


def test_what_is_tagged_alone_says_nothing() -> None:
    with theme():
        figure, (axes,) = new_axes(300, 200)
        (line,) = axes.plot([0, 1], [0, 1])
        tag(line, "eager")
        found = parsed(to_svg(figure, "a line"))
    assert [each.get("data-mode") for each in found.iter("g") if each.get("data-mode")] == ["eager"]
    assert not list(found.iter("title"))


@pytest.mark.parametrize("mode", ["", "eager"])
def test_words_without_a_mode_hide_from_no_filter(mode: str) -> None:
    found = parsed(drawn(mode=mode))
    assert [each.get("data-mode") for each in found.iter("g") if each.get("data-mode")] == [mode] * bool(mode)
    assert [each.text for each in found.iter("title")] == ["where, 64: 1.17 ms"]


@pytest.mark.parametrize("text", [HOSTILE, "mode=eager; said: x", "a; b: c", 'q"q'])
def test_whatever_is_said_comes_out_as_text(text: str) -> None:
    svg = drawn(text)
    assert [each.text for each in parsed(svg).iter("title")] == [text]
    assert "<script" not in svg.body
    assert [each.get("data-mode") for each in parsed(svg).iter("g") if each.get("data-mode")] == ["compiled"]


def test_every_reference_leads_to_an_element_of_the_same_drawing() -> None:
    body = drawn().scoped("f7")
    ids = re.findall(r'\bid="([^"]+)"', body)
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', body)
    assert used
    assert set(used) <= set(ids)
    assert len(set(ids)) == len(ids)
    assert all(name.startswith("f7-") for name in ids)


def test_colours_are_the_page_s() -> None:
    body = drawn().body
    assert "var(--hue-0)" in body
    assert not re.findall(r"#[0-9a-f]{6}", body)


def test_groups_that_say_nothing_and_what_cannot_be_seen_are_left_out() -> None:
    assert write('<g id="axes_1"><path d="M 0 0 L 1 1" style="fill: none"/></g>') == ""
    assert write('<defs/><g id="a"><g id="b"><text x="1">t</text></g></g>') == '<text x="1">t</text>'
    assert write('<path d="M 0 0 L 1 1" style="fill: none; stroke: #1b1d21"/>') == (
        '<path d="M0 0l1 1" style="fill:none;stroke:currentColor"/>'
    )


def test_a_shape_that_is_referred_to_stays_though_it_has_no_stroke_of_its_own() -> None:
    shown = write(
        '<defs><path id="m1" d="M 0 0 L 1 1" style="fill: none"/></defs><use xlink:href="#m1" x="2.04" y="0"/>'
    )
    assert shown == (
        f'<defs><path id="{ID_TOKEN}0" d="M0 0l1 1" style="fill:none"/></defs><use href="#{ID_TOKEN}0" x="2" y="0"/>'
    )


def walked(described: str) -> list[tuple[float, float]]:
    """Return the corners of a path made of M, l, h and v, as a browser finds them."""
    x = y = 0.0
    corners = []
    for command, rest in re.findall(r"([A-Za-z])([^A-Za-z]*)", described):
        numbers = [float(each) for each in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", rest)]
        size = 1 if command in "hv" else 2
        for start in range(0, len(numbers), size):
            step = numbers[start : start + size]
            if command == "M":
                x, y = step
            else:
                x += step[0] if command in "lh" else 0.0
                y += step[-1] if command in "lv" else 0.0
            corners.append((x, y))
    return corners


def test_a_path_of_many_steps_ends_where_it_ended() -> None:
    points = [(0.37 * index, 50 + 40 * ((index * 7919) % 101) / 101) for index in range(400)]
    data = "M " + " L ".join(f"{x} {y}" for x, y in points)
    short = re.findall(r'd="([^"]+)"', write(f'<path d="{data}" style="stroke: #c0272d"/>'))[0]
    found = walked(short)
    assert len(found) == len(points)
    assert all(abs(x - to[0]) <= 0.0501 and abs(y - to[1]) <= 0.0501 for (x, y), to in zip(points, found, strict=True))
    assert len(short) < 0.5 * len(data)


@pytest.mark.parametrize(
    ("data", "short"),
    [
        ("M 0 0 L 5 0 L 9 0 L 9 3 L 9 7", "M0 0h9v7"),
        ("M 0 0 L 5 0 L 3 0", "M0 0h5-2"),
        ("M 0 0 L 5 5 M 9 9 L 8 9 z", "M0 0l5 5M9 9h-1z"),
        ("M 0.04 -0.04 L 0.06 0.5", "M0 0l.1 .5"),
        ("M 1 1 L 1 1", "M1 1h0"),
    ],
)
def test_level_and_upright_lines_are_told_shortly(data: str, short: str) -> None:
    assert write(f'<path d="{data}" style="stroke: #c0272d"/>') == f'<path d="{short}" style="stroke:var(--bad)"/>'


def test_a_drawing_is_no_longer_than_it_must_be() -> None:
    assert len(drawn().body) < 4500
