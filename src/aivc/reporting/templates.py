"""How text becomes HTML: templates in which every value is escaped unless it is marked as HTML."""

from functools import cache
from html import escape
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aivc.reporting.drawing import plain


def render(name: str, **values: Any) -> str:
    """Fill a template of this folder.

    Args:
        name: File name, such as ``page.html``.
        values: What it asks for; what is no `markupsafe.Markup` is text, shown without control and direction marks.

    Raises:
        jinja2.UndefinedError: The template asks for a value that was not given.

    >>> "&lt;b&gt;" in render("table.html", **dict.fromkeys(["wide", "head", "rows", "kind", "count"], ""),
    ...                       table={"caption": "<b>", "folded": False})
    True
    """
    return _environment().get_template(name).render(**values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("aivc", "reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )


def _shown(value: object) -> Markup:
    return value if isinstance(value, Markup) else Markup(escape(plain(value)))
