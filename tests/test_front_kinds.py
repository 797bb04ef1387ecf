"""What a front is made of: known words, and nothing guessed from others."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from glaciertime.errors import InputError
from glaciertime.front_kinds import front_kind, front_kind_told, one_front_kind
from glaciertime.tables import FRONT_OF


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        *((kind, kind) for kind in FRONT_OF),
        ("Calving Front", "calving front"),
        ("calving_front", "calving front"),
        ("Me\u0301lange", "mélange edge"),
        ("ice melange", "mélange edge"),
        ("fast-ice edge", "mélange edge"),
        ("Ice-Shelf Front", "shelf"),
        ("ICE TONGUE", "tongue"),
        (None, ""),
        (np.nan, ""),
        ("unknown", ""),
    ],
)
def test_words_of_the_field_are_known(word, kind):
    assert front_kind(word) == kind


@pytest.mark.parametrize("word", ["floating", "front", "glacier", "ice", "7"])
def test_a_word_that_may_mean_two_things_is_refused_with_the_known_ones(word):
    with pytest.raises(InputError, match=f"'{word}'; known are calving front, tongue, mélange edge, shelf"):
        front_kind(word)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"front_of": "shelf"}, "shelf"),
        ({"FrontType": "Ice tongue", "TermType": np.nan}, "tongue"),
        ({"TermType": 1}, "calving front"),
        ({"TermType": 1.0}, "calving front"),
        ({"term_type": "0"}, ""),
        ({"TermType": 9}, ""),
        ({"Remarks": "shelf"}, ""),
        ({"front_of": "", "TermType": 2}, "calving front"),
    ],
)
def test_columns_of_a_data_set_tell(row, kind):
    assert front_kind_told(row, list(row)) == kind


def test_columns_that_differ_are_refused():
    with pytest.raises(InputError, match="front_of shelf, TermType calving front"):
        front_kind_told({"front_of": "shelf", "TermType": 1}, ["front_of", "TermType"])
    with pytest.raises(InputError, match=r"column front_of: .*'1'"):
        front_kind_told({"front_of": 1}, ["front_of"])


def test_the_data_win_over_the_manifest_and_the_user_contradicts_neither():
    date = dt.date(2001, 1, 1)
    assert one_front_kind(data="tongue", manifest="shelf", user="", date=date) == "tongue"
    assert one_front_kind(data="", manifest="", user="shelf", date=date) == "shelf"
    assert one_front_kind(data="shelf", manifest="", user="shelf", date=date) == "shelf"
    for data, manifest in (("tongue", ""), ("", "tongue")):
        with pytest.raises(InputError, match=r"a shelf by --front-of.*tongue"):
            one_front_kind(data=data, manifest=manifest, user="shelf", date=date)
