"""Walls: what a library raises is one sentence, what the package raises passes."""

from __future__ import annotations

import pytest

from glaciertime.errors import DataNotFoundError, InputError, UsageError
from glaciertime.walls import first_line, readable_text, wall


@pytest.mark.parametrize(
    "error",
    [
        KeyError("a"),
        MemoryError(),
        RecursionError("deep"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        OSError(5, "x"),
    ],
)
def test_whatever_a_library_raises_is_an_input_error(error: Exception) -> None:
    with (
        pytest.raises(InputError, match=r"^a\.png cannot be read \(.+\); fetch it again$"),
        wall("a.png cannot be read", "fetch it again"),
    ):
        raise error


def test_errors_of_the_package_and_interrupts_pass() -> None:
    for error in (UsageError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)), wall("a", "b"):
            raise error
    with pytest.raises(DataNotFoundError, match="No such file"), wall("a", "b"), open("nowhere/at/all"):
        pass


def test_sentences_are_short_and_can_be_shown() -> None:
    assert readable_text("a\ud800\x1b[2J") == "a\\ud800\\x1b[2J"
    assert len(first_line(ValueError("x" * 10_000))) < 300
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(ValueError("")) == "ValueError"
