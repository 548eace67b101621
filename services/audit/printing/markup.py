"""HTML and SVG as trees: what is text is escaped by the writer, never by hand; pure.

element("p.note", "a < b", lang="zh")      <p class="note" lang="zh">a &lt; b</p>
"""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias
from xml.etree.ElementTree import Element, tostring

Child: TypeAlias = "Element | str | Iterable[Element | str | None] | None"

# What no HTML or XML may hold; the marks that turn the direction of text would let one name look like another.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def element(name: str, /, *children: Child, **attributes: str | float | None) -> Element:
    """An element: `td.number` is a `td` of class `number`; `stroke_width=1` gives `stroke-width="1"`; None is left out.

    A trailing underscore of an attribute's name is dropped: `for_`. Numbers are written with two decimals at most.
    """
    tag, _, classes = name.partition(".")
    made = Element(tag, {"class": classes.replace(".", " ")} if classes else {})
    for key, value in attributes.items():
        if value is not None:
            made.set(
                key.rstrip("_").replace("_", "-"), number(value) if isinstance(value, float | int) else safe(value)
            )
    for child in children:
        _add(made, child)
    return made


def _add(parent: Element, child: Child) -> None:
    if child is None:
        return
    if isinstance(child, Element):
        parent.append(child)
    elif isinstance(child, str):
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + safe(child)
        else:
            parent.text = (parent.text or "") + safe(child)
    else:
        for item in child:
            _add(parent, item)


def page(root: Element) -> str:
    """The document of a root element."""
    text: str = tostring(root, encoding="unicode", method="html")
    return f"<!doctype html>\n{text}\n"


def number(value: float) -> str:
    """A number as short as it may be, with two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def safe(text: str) -> str:
    """Text without characters that a page may not hold, or that would turn its direction."""
    return _UNSAFE.sub("\ufffd", text)
