"""A page from its template: every value goes through jinja2's autoescape."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def rendered(template: str, **values: Any) -> str:
    """A page of this room's templates, ``report`` or ``several`` (of several maps), filled in."""
    pages = Environment(
        loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined
    )
    return pages.get_template(f"{template}.html.j2").render(**values)
