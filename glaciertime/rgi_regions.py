"""The regions of the Randolph Glacier Inventory, first and second order, by their numbers and their names.

Names are those of the RGI 7.0 user guide (RGI Consortium 2023, doi:10.5067/F6JMOVY5NAVZ); numbers of RGI 5 to 7 agree
but for the south, where 19 became 19 and 20.
"""

from __future__ import annotations

import re

from glaciertime.naming import fold_name

__all__ = ["REGIONS", "region_code", "region_in_words", "region_numbered"]

_FIRST = (
    "Alaska", "Western Canada and USA", "Arctic Canada North", "Arctic Canada South", "Greenland Periphery", "Iceland",
    "Svalbard and Jan Mayen", "Scandinavia", "Russian Arctic", "North Asia", "Central Europe",
    "Caucasus and Middle East", "Central Asia", "South Asia West", "South Asia East", "Low Latitudes", "Southern Andes",
    "New Zealand", "Subantarctic and Antarctic Islands", "Antarctic Mainland",
)  # fmt: skip
_SECOND: dict[int, tuple[str, ...]] = {
    1: ("North Alaska", "Alaska Range (Wrangell/Kilbuck)", "Alaska Peninsula (Aleutians)",
        "West Chugach Mountains (Talkeetna)", "Saint Elias Mountains", "North Coast Ranges"),
    2: ("Mackenzie and Selwyn Mountains", "South Coast Ranges", "North Rocky Mountains",
        "Cascade Range and Sierra Nevada", "South Rocky Mountains"),
    3: ("North Ellesmere Island", "Axel Heiberg and Meighen Is", "North Central Ellesmere Island",
        "South Central Ellesmere Island", "South Ellesmere Island (Northwest Devon)", "Devon Island",
        "Melville Island"),
    4: ("Bylot Island", "West Baffin Island", "North Baffin Island", "Northeast Baffin Island",
        "East Central Baffin Island", "South East Baffin Island", "Cumberland Sound", "Frobisher Bay", "Labrador"),
    5: ("Greenland Periphery",), 6: ("Iceland",), 7: ("Svalbard", "Jan Mayen"),
    8: ("North Scandinavia", "Southwest Scandinavia", "Southeast Scandinavia"),
    9: ("Franz Josef Land", "Novaya Zemlya", "Severnaya Zemlya"),
    10: ("Ural Mountains", "Central Siberia", "Cherskiy/Suntar Khayata Ranges", "Altay and Sayan", "Northeast Russia",
         "East Chukotka", "Japan"),
    11: ("Alps", "Southeast Europe"), 12: ("Caucasus and Middle East", "Middle East"),
    13: ("Hissar Alay", "Pamir (Safed Khirs / West Tarim)", "West Tien Shan", "East Tien Shan (Dzhungaria)",
         "West Kun Lun", "East Kun Lun (Altyn Tagh)", "Qilian Shan", "Inner Tibet", "Southeast Tibet"),
    14: ("Hindu Kush", "Karakoram", "West Himalaya"), 15: ("Central Himalaya", "East Himalaya", "Hengduan Shan"),
    16: ("Low-latitude Andes", "Mexico", "East Africa", "New Guinea"), 17: ("Patagonia", "Central Andes"),
    18: ("New Zealand",), 20: ("Antarctic Mainland",),
}  # fmt: skip
_ANTARCTIC = {
    1: "Subantarctic (Pacific)", 2: "South Shetlands and South Orkney", 3: "Subantarctic (Atlantic)",
    4: "Subantarctic (Indian)", 5: "Balleny Islands", 11: "East Queen Maud Land 7A", 12: "Amery Ice Shelf 7B",
    13: "Wilkes Land 7C", 14: "Victoria Land 7D", 15: "Ross Ice Shelf 7E", 16: "Marie Byrd Land 7F",
    17: "Pine Island Bay 7G", 18: "Bellingshausen Sea 7H1", 19: "Alexander Island 7H2",
    20: "West Antarctic Peninsula 7I1", 21: "Northeast Antarctic Peninsula 7I2",
    22: "Southeast Antarctic Peninsula 7I3", 23: "Ronne-Filchner Ice Shelf 7J", 24: "West Queen Maud Land 7K",
}  # fmt: skip

#: Names by number: ``11`` and ``11-01``.
REGIONS: dict[str, str] = {
    **{f"{first:02}": name for first, name in enumerate(_FIRST, start=1)},
    **{f"{first:02}-{second:02}": name for first, names in _SECOND.items() for second, name in enumerate(names, 1)},
    **{f"19-{second:02}": name for second, name in _ANTARCTIC.items()},
}

_CODE = re.compile(r"(?:rgi|region|o1|o2)?[\s_-]*(\d{1,2})(?:[-_.](\d{1,2}))?(?:[-_\s][a-z].*)?", re.IGNORECASE)
#: What RGI 6 called some, in folded form.
_OLDER = {
    "arctic canada, north": "03", "arctic canada, south": "04", "asia, north": "10", "asia, central": "13",
    "asia, south west": "14", "asia, south east": "15", "svalbard": "07", "antarctic and subantarctic": "19",
    "greenland": "05", "russian arctic": "09",
}  # fmt: skip


def region_code(first: object, second: object = "") -> str:
    """Return the number of a region as RGI 7 writes it, from attributes of RGI 5, 6 or 7; empty where there is none.

    Examples
    --------
    >>> region_code("11", "1"), region_code("11", "11-01"), region_code(7, None), region_code("", "")
    ('11-01', '11-01', '07', '')
    """
    one = re.fullmatch(r"\s*(\d{1,2})(?:\.0+)?\s*", str(first))
    two = re.fullmatch(r"\s*(?:\d{1,2}-)?(\d{1,2})(?:\.0+)?\s*", str(second))
    if one is None:
        return ""
    return f"{int(one[1]):02}" + (f"-{int(two[1]):02}" if two else "")


def region_numbered(text: str) -> list[str]:
    """Return the numbers that a region's name or number may stand for; empty where it is none.

    A name of several, such as Iceland, stands for the first order.

    Examples
    --------
    >>> region_numbered("Central Europe"), region_numbered("alps"), region_numbered("11_central_europe")
    (['11'], ['11-01'], ['11'])
    >>> region_numbered("RGI 7"), region_numbered("19-5"), region_numbered("Atlantis"), region_numbered("99")
    (['07'], ['19-05'], [], [])
    """
    wanted = fold_name(text)
    numbered = _CODE.fullmatch(wanted)
    if numbered:
        code = region_code(numbered[1], numbered[2] or "")
        return [code] if code in REGIONS else []
    named = [code for code, name in REGIONS.items() if fold_name(name) == wanted]
    if not named and wanted in _OLDER:
        named = [_OLDER[wanted]]
    first = [code for code in named if "-" not in code]
    return first or named


def region_in_words(code: str) -> str:
    """Return a region's number with its names.

    Examples
    --------
    >>> region_in_words("11-01"), region_in_words("06-01"), region_in_words("")
    ('Central Europe, Alps (RGI 11-01)', 'Iceland (RGI 06-01)', '')
    """
    names = dict.fromkeys(REGIONS[part] for part in (code[:2], code) if part in REGIONS)
    return f"{', '.join(names)} (RGI {code})" if names else code
