"""What the columns of a table of the field hold, by their names in the languages in which such tables are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.units import Unit, unit_named

__all__ = [
    "ROLES",
    "Quantity",
    "are_sides",
    "chosen_columns",
    "column_roles",
    "folded",
    "is_passed_over",
    "is_sigma",
    "quantity_of",
    "sigma_factor",
    "split_unit",
    "unit_of_column",
]

#: What a column can be told to be with ``--columns``.
ROLES = (
    "date", "start", "value", "sigma", "glacier", "id", "variable", "unit", "bound", "dataset", "method", "quality",
    "front_of",
)  # fmt: skip

# In order: what stands first is taken where several columns bear such names.
_NAMES: dict[str, tuple[str, ...]] = {
    "date": (
        "date", "survey date", "end date", "end date of observation", "date end", "date to", "date of observation",
        "observation date", "acquisition date", "image date", "obs date", "decdate", "dec date", "decimal date",
        "datum", "dato", "fecha", "data", "messdatum", "aufnahmedatum", "enddatum", "sluttdato", "til dato", "date fin",
        "date yyyy mm dd", "date utc", "datetime", "timestamp", "decimal year", "year decimal", "time year decimal",
        "decyear", "dec year", "yeardec", "time", "day", "t", "survey year", "end year", "year end", "year to", "to",
        "bis", "til", "hydrological year", "hydro year", "balance year", "glaciological year", "period", "periode",
        "year", "yr", "years", "jahr", "messjahr", "annee", "ano", "anno", "ar", "aar", "year ce", "year ad",
    ),
    "start": (
        "reference date", "ref date", "begin date", "start date", "start date of observation", "date begin",
        "date start", "date from", "from date", "startdato", "fra dato", "startdatum", "date debut", "reference year",
        "begin year", "start year", "year start", "year from", "from", "von", "fra", "start",
    ),
    "glacier": (
        "glacier", "glacier name", "glaciername", "name glacier", "glac name", "gl name", "gletscher", "gletschername",
        "brenavn", "bre", "isbre", "glaciar", "ghiacciaio", "nom glacier", "nom du glacier", "ice shelf", "shelf",
        "lake", "lake name", "innsjo", "name", "nom", "nombre", "nome", "navn", "basin", "ice sheet", "region", "site",
    ),
    "id": (
        "glacier id", "glacierid", "wgms id", "wgmsid", "glims id", "glimsid", "rgi id", "rgiid", "sgi id", "sgiid",
        "glacier id according to swiss glacier inventory", "brenr", "bre id", "breid", "glac id", "gl id",
        "glacier no", "glacier number", "glacier code", "lake id", "basin id", "pk sgi", "id",
    ),
    "variable": ("variable", "parameter", "quantity", "measurand", "variabel", "grosse", "observable"),
    "unit": ("unit", "units", "einheit", "enhet", "unite", "unidad", "unita"),
    "value": ("value", "val", "wert", "verdi", "valeur", "valor", "valore"),
    "bound": ("bound", "bounds", "qualifier", "limit", "limit type", "bound type", "censored", "censoring"),
    "dataset": ("dataset", "data set", "source", "kilde", "quelle"),
    "method": ("method",),
    "quality": ("quality",),
    "footprint": ("footprint",),
    "front_of": ("front of", "frontof", "front type", "fronttype"),
    "sensor": ("sensor", "satellite"),
    "image_id": ("image id", "imageid"),
    "month": ("month", "mon", "monat", "mois", "mes", "maned"),
    "day of month": ("day", "dom", "day of month", "tag"),
}  # fmt: skip

#: Columns that tables of the field have and that are no series.
_PASSED_OVER = re.compile(
    r"^(lat|latitude|lon|long|longitude|x|y|easting|northing|elev.*|altitude|alt|minimum elev.*|min elev.*|max elev.*|"
    r"aspect|slope|n|no|nr|count|index|row|fid|objectid|political unit|country|land|investigator.*|observer.*|"
    r"spons agency|agenc.*|reference|references|remarks?|comment.*|notes?|method.*|.*method code|platform.*|"
    r".*quality.*|.*flag.*|qualitative.*|publication.*|doi|author.*|beobachter|coverage|hydrological region|"
    r"glacier type|year type|image.*|tile|path|orbit|.*elevation of glacier tongue.*|days?|mjd|julian.*|gps.*|"
    r".* unc method|survey date unc.*|.*date unc|uncertainty date|mascon.*|season)$"
)

_SIGMA = re.compile(
    r"\b(sigma|1 sigma|2 sigma|uncertainty|uncertainties|unc|error|err|errors|std|stdev|stddev|standard deviation|sd|"
    r"standard error|stderr|unsicherheit|fehler|usikkerhet|incertitude|incertidumbre|incertezza|plus minus|pm|ci|"
    r"confidence interval)\b|±"
)
_SIGMA_SUFFIX = re.compile(r"(unc|err|sigma|std|uncertainty|error)$")
_SIGMAS = re.compile(r"\b(?P<count>2|3|two|three) ?(sigma|s|std|sd)\b")
_COVERAGE = re.compile(r"\b(?P<percent>90|95|99)\b")
# Of the normal distribution.
_SIGMAS_OF_COVERAGE = {"90": 1.645, "95": 1.96, "99": 2.576}
_POSITIVE_PART = re.compile(r"\b(pos|neg|upper|lower)\b")

_CUMULATIVE = re.compile(r"\b(cumulative|cumulated|cum|kumulativ\w*|kumuliert\w*|cumule\w*|acumulad\w*|cumulativ\w*|"
                         r"accumulated|since|total|seit|siden|depuis)\b")  # fmt: skip
_PER_PERIOD = re.compile(r"\b(annual|yearly|per year|per period|interval|jahrlich\w*|arlig|annuel\w*|annuale|anual|"
                         r"year on year)\b")  # fmt: skip

_ASKS = re.compile(r"\b(variation|frontal|frontvariation|balance|endring)\b|^change$")

_LOSS = re.compile(r"\b(loss|losses|lost|verlust|tap|perte|perdida|perdita|retreat|recession|ruckzug|tilbaketrekning|"
                   r"recul|retroceso|ritiro)\b")  # fmt: skip

# The first pattern that fits a column's name says what it holds; a variable of None is known and no series.
_QUANTITIES: tuple[tuple[str, str | None], ...] = (
    (r"mass (change|loss) rate|rate of|velocity|speed|geschwindigkeit|hastighet", None),
    (r"mass balance|massenbilanz|massebalanse|bilan de masse|balance de masa", "mass_balance_mwe"),
    (r"\bmass\b|\bmasse\b|\bmasa\b|\bmassa\b", "mass_gt"),
    (r"(lake|see|innsjo|laguna|lac|lago|pond)\w* ?(area|flache|areal|surface|superficie|size|extent)|seeflache",
     "lake_area_km2"),
    (r"(thickness|elevation|height|surface) change|surface elevation|\bdh\b|dhdt", "elevation_change_m"),
    (r"(area|flache\w*|areal|superficie).*(change|loss|anderung|verlust|endring|variation)|"
     r"(change|loss) (in|of) area|delta area|\bda\b", "area_change_km2"),
    (r"debris.*area|area.*debris", "debris_area_km2"),
    (r"\barea\b|\bareas\b|\bflache\b|gletscherflache|\bareal\b|superficie|surface area|glacier size|ice extent",
     "area_km2"),
    (r"snow ?line|\bsla\b|\btsla?\b|schneegrenze|snogrense|ligne de neige|linea de nieve", "snowline_m"),
    (r"\bela\b|equilibrium line|gleichgewichtslinie|likevektslinje", "ela_m"),
    (r"volume.*(change|loss)|(change|loss) (in|of) volume", "volume_change_km3"),
    (r"\bvolume\b|\bvolumen\b|\bvolum\b", "volume_km3"),
    (r"\bretreat\b|\brecession\b|ruckzug|tilbaketrekning|\brecul\b|retroceso|ritiro", "length_change_m"),
    (r"(length|front|frontal|terminus|snout|tongue)\w* (position )?(change|variation|fluctuation)|length change|"
     r"lengthchange|frontvariation|front variation|change (in|of) length|langenanderung|lengdeendring|frontendring|"
     r"variation (de longueur|frontale)|variacion frontal|variazione frontale|delta l\b|\bdl\b|"
     r"(kumulativ|kumuliert\w*|cumulative|cum|annual|arlig) (endring|change|variation)|^endring$|^change$",
     "length_change_m"),
    (r"front width|terminus width|calving width", "front_width_m"),
    (r"(front|terminus|snout|calving front) ?(position|posisjon|location|distance)|frontposisjon", "front_position_m"),
    (r"\blength\b|\blange\b|gletscherlange|\blongueur\b|\blengde\b|\blongitud\b|lunghezza", "length_m"),
)  # fmt: skip

_UNIT_AT_END = re.compile(r"^(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]\s*$")
_UNIT_AFTER_COMMA = re.compile(r"^(?P<name>.*\S)\s*[,/]\s*(?P<unit>[^,/]+)$")
_UNIT_LAST_WORD = re.compile(r"^(?P<name>.*\S)[ _](?P<unit>[^ _]+)$")
#: Before the last word of a name: what makes it another unit than it is alone (10^6 m3, "106 m3", nautical miles).
_OF_ANOTHER_SIZE = re.compile(
    r"(?:[\[(][^\])]*(?<![a-z\d])\d[\d^*.,'⁰¹²³⁴⁵⁶⁷⁸⁹⁻-]*|(?<![a-z0-9])(?:"
    r"10(?:\^|\*\*|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻])\S*|1e\+?\d+|1(?:[ ,.']?000)+|"
    r"nautical|naut\.?|sea|hundreds?|thousands?|millions?|billions?|tausend|tsd\.?|tusen|mio\.?|mill?\.?|mrd\.?))"
    r"[\s_]*[x×*·]?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Quantity:
    """What a column of values holds.

    Attributes
    ----------
    variable : str
        As the package names it.
    unit : str
        As the column's name tells it; empty where it does not.
    is_cumulative : bool or None
        Whether the values count from one reference, or each from the one before; None where the name does not say.
    asks : bool
        Whether such a name is given to both, so that the user has to say which it is.
    sign : int
        -1 where the column counts losses, so that its numbers are turned round.
    """

    variable: str
    unit: str
    is_cumulative: bool | None
    asks: bool = False
    sign: int = 1


def folded(text: str) -> str:
    """Return a name in lower case, without accents, its words separated by single blanks.

    Examples
    --------
    >>> folded("Längenänderung_kumuliert [m]"), folded("  FRONT-VARIATION ")
    ('langenanderung kumuliert m', 'front variation')
    """
    text = text.replace("ø", "o").replace("Ø", "O").replace("å", "a").replace("Å", "A").replace("ß", "ss")
    text = text.replace("σ", " sigma ").replace("Δ", "delta ").replace("æ", "ae")
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^0-9a-z±]+", " ", bare.casefold()).split())


def is_passed_over(words: str) -> bool:
    """Return whether a column of that folded name is known to be no series: coordinates, remarks, codes."""
    return bool(_PASSED_OVER.match(words))


def split_unit(header: str) -> tuple[str, str]:
    """Return a column's name and the unit that it ends with; no unit where it ends with none, or with one unknown.

    Examples
    --------
    >>> split_unit("area (km²)"), split_unit("lake_area_km2"), split_unit("Lake area, ha"), split_unit("Rhone")
    (('area', 'km²'), ('lake_area', 'km2'), ('Lake area', 'ha'), ('Rhone', ''))
    >>> split_unit("volume (10^6 m3)"), split_unit("length (nautical miles)")
    (('volume', '10^6 m3'), ('length (nautical miles)', ''))
    """
    for pattern in (_UNIT_AT_END, _UNIT_AFTER_COMMA, _UNIT_LAST_WORD):
        match = pattern.match(header.strip())
        if pattern is _UNIT_LAST_WORD and _is_of_another_size(header):
            continue
        if match and unit_named(match["unit"]) is not None:
            return match["name"].strip(), match["unit"].strip()
    return header.strip(), ""


def _is_of_another_size(header: str) -> bool:
    """Return whether the last word of a name is a unit that what stands before it makes another one, not known here."""
    match = _UNIT_LAST_WORD.match(header.strip())
    return bool(match and unit_named(match["unit"]) is not None and _OF_ANOTHER_SIZE.search(match["name"]))


def unit_of_column(header: str, *, below: str, where: str) -> Unit | None:
    """Return the unit that a column's name ends with, else that ``below`` it in the row of units; None of neither.

    Raises
    ------
    InputError
        Where the name ends with a unit of a size that is not known.

    Examples
    --------
    >>> unit_of_column("error (10^6 m3)", below="", where="").factor, unit_of_column("error", below="", where="")
    (0.001, None)
    """
    unit = split_unit(header)[1] or below
    if not unit and re.search(r"\b(relative|rel|fractional)\b", folded(header)):
        raise InputError(
            f"{where}: column {header} does not say of what it is a share; give it in %, and [%] in its name"
        )
    if not unit and _is_of_another_size(header):
        raise InputError(
            f"{where}: the unit of column {header} is not known; known are m, km2, ha, m3, 10^6 m3, Gt, ..."
        )
    return unit_named(unit)


def quantity_of(header: str) -> Quantity | None:
    """Return what a column of values holds by its name, or None where the name does not tell.

    Examples
    --------
    >>> quantity_of("Front variation [m]")
    Quantity(variable='length_change_m', unit='m', is_cumulative=None, asks=True, sign=1)
    >>> quantity_of("Cumulative ice sheet mass change (Gt)").is_cumulative
    True
    >>> quantity_of("latitude") is None
    True
    """
    name, unit = split_unit(header)
    words = folded(name)
    if is_passed_over(words):
        return None
    variable = next((found for pattern, found in _QUANTITIES if re.search(pattern, words)), None)
    if variable is None:
        return None
    if variable == "mass_balance_mwe" and unit and unit_named(unit).quantity == "mass":  # type: ignore[union-attr]
        variable = "mass_gt"
    cumulative = True if _CUMULATIVE.search(words) else False if _PER_PERIOD.search(words) else None
    asks = cumulative is None and bool(_ASKS.search(words)) and variable != "mass_balance_mwe"
    counts_losses = variable == "mass_gt" or "change" in variable
    sign = -1 if counts_losses and _LOSS.search(words) else 1
    return Quantity(variable, unit, cumulative, asks, sign)


def is_sigma(header: str) -> bool:
    """Return whether a column holds uncertainties."""
    words = folded(split_unit(header)[0])
    last = words.split(" ")[-1] if words else ""
    if re.search(r"\b(flags?|codes?|method|type|source)\b", words):
        return False
    return bool(_SIGMA.search(words) or "±" in header or (len(last) > 3 and _SIGMA_SUFFIX.search(last)))


def sigma_factor(header: str) -> float:
    """Return what the numbers of a column of uncertainties are multiplied by to become one standard deviation.

    Examples
    --------
    >>> sigma_factor("uncertainty (2σ)"), round(sigma_factor("90% CI"), 3), sigma_factor("error")
    (0.5, 0.608, 1.0)
    """
    words = folded(header)
    if match := _SIGMAS.search(words):
        return 1 / 3 if match["count"] in ("3", "three") else 0.5
    match = _COVERAGE.search(words)
    return 1 / _SIGMAS_OF_COVERAGE[match["percent"]] if match else 1.0


def are_sides(lower: str, upper: str) -> bool:
    """Return whether two columns of uncertainties are, by their names, those below and above the values."""
    return bool(
        re.search(r"\b(neg|lower|minus)\b", folded(lower)) and re.search(r"\b(pos|upper|plus)\b", folded(upper))
    )


def column_roles(columns: Iterable[str], *, taken: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the columns of each role in order of preference, by their names; ``taken`` are those told by the user."""
    free = [column for column in columns if column not in taken.values()]
    words = {column: folded(column) for column in free}
    bare = {column: folded(split_unit(column)[0]) for column in free}
    roles: dict[str, list[str]] = {}
    for role, names in _NAMES.items():
        if role in taken:
            roles[role] = [taken[role]]
            continue
        order = {name: index for index, name in enumerate(names)}
        found = [column for column in free if words[column] in order or bare[column] in order]
        roles[role] = sorted(found, key=lambda column: min(order.get(words[column], 999), order.get(bare[column], 999)))
    for role in ("date", "glacier", "id", "start"):
        others = {column for other in ROLES if other != role for column in [taken.get(other)] if column}
        roles[role] = [column for column in roles[role] if column not in others]
    return roles


def chosen_columns(text: str, columns: list[str], *, has_head: bool) -> dict[str, str]:
    """Return the columns that ``--columns date=...,value=...`` names, by role.

    Parameters
    ----------
    text : str
        Roles of :data:`ROLES` with the name of a column, or its number from 1.

    Raises
    ------
    UsageError
        For a role or a column that there is not.
    """
    chosen: dict[str, str] = {}
    by_fold = {folded(column): column for column in columns}
    # A column's name may hold a comma: cut only before a role.
    for part in re.split(r",\s*(?=[a-z_]+\s*=)", text.strip()):
        role, _, name = (piece.strip() for piece in part.partition("="))
        if role not in ROLES:
            near = nearest_names(role, ROLES)
            hint = f", did you mean {near[0]}?" if near else ""
            raise UsageError(f"--columns: '{role}' is not known{hint}; known are {', '.join(ROLES)}")
        if role in chosen:
            raise UsageError(f"--columns names {role} twice")
        if name in columns:
            chosen[role] = name
        elif folded(name) in by_fold and folded(name):
            chosen[role] = by_fold[folded(name)]
        elif name.isdigit() and 1 <= int(name) <= len(columns):
            chosen[role] = columns[int(name) - 1]
        else:
            near = nearest_names(name, columns) or columns[:12]
            known = ", ".join(near) if has_head else f"numbers from 1 to {len(columns)}"
            raise UsageError(f"--columns: there is no column '{name}'; there are {known}")
    return chosen
