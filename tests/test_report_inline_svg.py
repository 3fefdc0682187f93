"""Figures as SVG inside a page."""

import re
import xml.etree.ElementTree as ET

from famous.report.inline_svg import INK, new_figure, styled, to_inline


def draw(name: str = "one", label: str = "a line") -> str:
    with styled():
        figure = new_figure(3, 2)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#123456", marker="o")
        axes.set_title("a < b & c", color=INK)
        return to_inline(figure, name, label, {"#123456": "var(--mine)"})


def test_it_is_one_element_with_text_and_the_pages_colours() -> None:
    svg = draw()
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>")
    assert "a &lt; b &amp; c</text>" in svg
    assert "var(--mine)" in svg
    assert "#123456" not in svg
    assert "var(--text)" in svg
    assert "DejaVu" not in svg
    assert "<metadata" not in svg
    ET.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))


def test_two_figures_of_one_page_share_no_id() -> None:
    one, other = (set(re.findall(r'\bid="([^"]+)"', draw(name))) for name in ("one", "two"))
    assert one
    assert not one & other
    svg = draw("one")
    for link in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg):
        assert (link[0] or link[1]) in one


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert draw() == draw()


def test_the_label_is_text() -> None:
    assert 'aria-label="&lt;b&gt; &#34;x&#34;"' in draw(label='<b> "x"')
