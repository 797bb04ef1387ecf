"""How QGIS draws the layers of an archive and of an export when it opens them, without any set-up."""

from __future__ import annotations

from collections.abc import Collection
from html import escape

__all__ = ["LAYER_STYLES", "fronts_style", "style_of"]

_DATE_COLUMNS = ("DecDate", "Date", "SourceDate")
_GLACIER_COLUMNS = ("GlacierID", "Official_n", "OfficialN", "glacier")


def _rank_colour(date: str, glacier: str) -> str:
    """Return the expression of a colour by the rank of a date among those of its glacier.

    By the date itself the fronts of a dense last decade would have one colour.
    """
    dates = f'array_distinct(array_agg("{date}", group_by:="{glacier}", order_by:="{date}"))'
    rank = f'if(array_length(@dates) < 2, 0, array_find(@dates, "{date}") / (array_length(@dates) - 1))'
    return f"ramp_color('Viridis', with_variable('dates', {dates}, {rank}))"


def _option(name: str, value: str) -> str:
    return f'<Option type="QString" name="{name}" value="{value}"/>'


def _line(name: str, colour: str, *, width: float = 0.4, dash: str = "solid", expression: str = "") -> str:
    """Return a symbol of a line; ``expression`` gives its colour."""
    bound = ""
    if expression:
        bound = (
            '<data_defined_properties><Option type="Map"><Option type="QString" name="name" value=""/>'
            '<Option type="Map" name="properties"><Option type="Map" name="outlineColor">'
            f'<Option type="bool" name="active" value="true"/>{_option("expression", escape(expression, quote=True))}'
            '<Option type="int" name="type" value="3"/></Option></Option>'
            '<Option type="QString" name="type" value="collection"/></Option></data_defined_properties>'
        )
    drawn = "".join(
        (_option("line_color", colour), _option("line_width", f"{width:g}"), _option("line_width_unit", "MM"),
         _option("line_style", dash), _option("capstyle", "round"), _option("joinstyle", "round"))
    )  # fmt: skip
    return (
        f'<symbol type="line" name="{name}" alpha="1" clip_to_extent="1" force_rhr="0">'
        f'<layer class="SimpleLine" enabled="1" locked="0" pass="0"><Option type="Map">{drawn}</Option>{bound}</layer>'
        "</symbol>"
    )


def _fill(name: str, colour: str, *, outline: str, width: float = 0.3, dash: str = "solid", style: str = "no") -> str:
    drawn = "".join(
        (_option("color", colour), _option("style", style), _option("outline_color", outline),
         _option("outline_style", dash), _option("outline_width", f"{width:g}"), _option("outline_width_unit", "MM"))
    )  # fmt: skip
    return (
        f'<symbol type="fill" name="{name}" alpha="1" clip_to_extent="1" force_rhr="0">'
        f'<layer class="SimpleFill" enabled="1" locked="0" pass="0"><Option type="Map">{drawn}</Option></layer>'
        "</symbol>"
    )


def _document(renderer: str) -> str:
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        f'<qgis styleCategories="Symbology" version="3.22.0">\n{renderer}\n</qgis>\n'
    )


def _single(symbol: str) -> str:
    head = '<renderer-v2 type="singleSymbol" symbollevels="0" enableorderby="0" forceraster="0">'
    return _document(f"{head}<symbols>{symbol}</symbols></renderer-v2>")


def _by_rule(rules: list[tuple[str, str, str]]) -> str:
    """Return a style of rules: label, filter, symbol; of a layer of several shapes each rule is for one of them."""
    told = "".join(
        f'<rule key="r{number}" symbol="{number}" label="{escape(label, quote=True)}" '
        f'filter="{escape(condition, quote=True)}"/>'
        for number, (label, condition, _) in enumerate(rules)
    )
    symbols = "".join(symbol for _, _, symbol in rules)
    return _document(
        '<renderer-v2 type="RuleRenderer" symbollevels="0" enableorderby="0" forceraster="0">'
        f'<rules key="root">{told}</rules><symbols>{symbols}</symbols></renderer-v2>'
    )


def fronts_style(columns: Collection[str]) -> str:
    """Return the style of a layer of fronts: coloured by the rank of their date within their glacier.

    Parameters
    ----------
    columns : collection of str
        Those of the layer; without a date or a glacier among them all have one colour.
    """
    date = next((name for name in _DATE_COLUMNS if name in columns), "")
    glacier = next((name for name in _GLACIER_COLUMNS if name in columns), "")
    expression = _rank_colour(date, glacier) if date and glacier else ""
    return _single(_line("0", "68,1,84,255", width=0.5, expression=expression))


_IS_LINE = "geometry_type($geometry) = 'Line'"
_IS_AREA = "geometry_type($geometry) = 'Polygon'"

#: The style of each layer of an archive, with what it is called.
LAYER_STYLES = {
    "fronts": ("fronts by rank of date", fronts_style(("DecDate", "GlacierID"))),
    "fronts_local": ("fronts by rank of date", fronts_style(("DecDate", "GlacierID"))),
    "footprints": (
        "footprints by kind",
        _by_rule(
            [
                ("box", "\"footprint\" = 'box'", _fill("0", "0,0,0,0", outline="0,0,0,255")),
                ("fjord", "\"footprint\" = 'fjord'", _fill("1", "0,0,0,0", outline="213,94,0,255", width=0.4)),
                ("measured ice", "\"footprint\" = 'measured ice'",
                 _fill("2", "0,114,178,40", outline="0,114,178,255", style="solid")),
                ("other", "\"footprint\" NOT IN ('box', 'fjord', 'measured ice')",
                 _fill("3", "0,0,0,0", outline="119,119,119,255", dash="dot")),
            ]
        ),
    ),
    "centrelines": ("centrelines", _single(_line("0", "119,119,119,255", width=0.35, dash="dash"))),
    "rulers": (
        "rulers by kind",
        _by_rule(
            [
                ("areas", _IS_AREA, _fill("0", "0,0,0,0", outline="213,94,0,255", width=0.4)),
                ("lines", _IS_LINE, _line("1", "119,119,119,255", width=0.35, dash="dash")),
            ]
        ),
    ),
    "contours": (
        "predicted fronts and their bands",
        _by_rule(
            [
                ("bands", _IS_AREA, _fill("0", "0,114,178,70", outline="0,114,178,120", style="solid", width=0.1)),
                ("predicted front", _IS_LINE, _line("1", "0,114,178,255", width=0.6)),
            ]
        ),
    ),
}  # fmt: skip


def style_of(table: str, columns: Collection[str]) -> tuple[str, str]:
    """Return the name and the style of a layer by what it holds; empty texts where there is none."""
    if table in ("fronts", "fronts_local"):
        return LAYER_STYLES["fronts"][0], fronts_style(columns)
    return LAYER_STYLES.get(table, ("", ""))
