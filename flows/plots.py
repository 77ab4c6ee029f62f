# The drawing library is typed in part only.
# pyright: reportUnknownMemberType=false
"""Plots as PNG pictures: the history of a criterion, and results against a parameter.

The drawing library takes about a second to import, and is imported when there is something to draw.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blocks.errors import unexpected
from flows.result_columns import Table, is_number
from flows.view import Level

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = 6  # result columns that are drawn; a table shows all
LINES = 10  # in one panel; more are no help to a person
_DOTS_PER_INCH = 110


def drawn(draw: Callable[[], bytes | None], name: str, say: Callable[[Level, str], None]) -> bytes | None:
    """The picture of this name; what the drawing library can't draw is a warning, for the numbers are there without it."""
    try:
        return draw()
    except Exception as error:  # noqa: BLE001 -- the library's own, of numbers and of text as no one else has tried them
        say("warning", f"{name} could not be drawn: {unexpected(error)}")
        return None


def criterion(history: Sequence[float], title: str) -> bytes:
    """The criterion of each iteration; on a logarithmic scale where it spans more than two decades."""
    from matplotlib.ticker import MaxNLocator

    figure = _figure(1)
    axes = figure.subplots()
    axes.plot(range(1, len(history) + 1), list(history), marker="o")
    axes.set(xlabel="iteration", ylabel="criterion", title=_plain(title))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if min(history) > 0 and max(history) / min(history) > 100:
        axes.set_yscale("log")
    return _png(figure)


def results(table: Table, title: str) -> bytes | None:
    """Each result that is a number against the first parameter that is one, with a line for each combination of the others.

    None when there is nothing to draw: fewer than two values of a parameter, or no result that is a number.
    """
    drawn = [name for name in table.results if any(is_number(row.get(name)) for row in table.rows)][:PANELS]
    across = next((name for name in table.parameters if _varies(table, name)), None)
    if across is None or not drawn:
        return None
    figure = _figure(len(drawn))
    lines = _lines(table, across)
    for axes, name in zip(figure.subplots(len(drawn), squeeze=False)[:, 0], drawn, strict=True):
        _draw(axes, lines, across, name)
    figure.suptitle(_plain(title))
    return _png(figure)


def _varies(table: Table, name: str) -> bool:
    return len({row[name] for row in table.rows if is_number(row.get(name))}) > 1


def _lines(table: Table, across: str) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each line, by its label."""
    lines: dict[str, list[Mapping[str, Any]]] = {}
    others = [name for name in table.parameters if name != across]
    for row in table.rows:
        label = ", ".join(f"{name} = {row.get(name)}" for name in others)
        lines.setdefault(label, []).append(row)
    return lines


def _draw(axes: Axes, lines: Mapping[str, Sequence[Mapping[str, Any]]], across: str, name: str) -> None:
    for label, rows in list(lines.items())[:LINES]:
        points = sorted((row[across], row[name]) for row in rows if is_number(row.get(across)) and is_number(row.get(name)))
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=_plain(label) or None)
    axes.set(xlabel=_plain(across), ylabel=_plain(name))
    if len(lines) > 1:
        shown = f"the first {LINES} of {len(lines)}" if len(lines) > LINES else None
        axes.legend(fontsize="small", title=shown)


def _plain(text: str) -> str:
    """Text that is drawn as it is: what stands between two dollars would be a formula."""
    return text.replace("$", r"\$")


def _figure(panels: int) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(7, 0.6 + 3.2 * panels), layout="constrained")


def _png(figure: Figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=_DOTS_PER_INCH)
    return picture.getvalue()
