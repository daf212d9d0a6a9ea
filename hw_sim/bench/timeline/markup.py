"""HTML without a way to forget the escaping: what is not `Markup` already is text, and is escaped."""

from html import escape
from typing import Final

_VOID: Final = frozenset({"br", "img", "link", "meta", "source"})


class Markup(str):
    """Text that is HTML; only `tag`, `join` and the page's own files make it."""

    __slots__ = ()


Child = str | Markup | None


def tag(element: str, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """Return an element; ``class_`` is class, ``data_at`` is data-at, True stands alone, False and None are left out."""
    written = "".join(_attribute(name, value) for name, value in attributes.items())
    if element in _VOID:
        assert not children
        return Markup(f"<{element}{written}>")
    return Markup(f"<{element}{written}>{join(*children)}</{element}>")


def join(*children: Child) -> Markup:
    """Return pieces one after the other; what is None is left out."""
    return Markup("".join(_safe(child) for child in children if child is not None))


def _safe(child: str | Markup) -> str:
    return str(child) if isinstance(child, Markup) else escape(child)


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    written = name.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {written}" if value is True else f' {written}="{escape(str(value))}"'
