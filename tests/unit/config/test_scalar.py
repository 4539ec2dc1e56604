"""Plain scalars mean what YAML 1.2 says, and nothing that a network engineer would trip over."""

from __future__ import annotations

import pytest

from netnsmgr.config.scalar import plain, tagged


@pytest.mark.parametrize("word", ["no", "NO", "yes", "on", "off", "y", "n"])
def test_norway(word: str) -> None:
    """Norway's country code and its friends are text."""
    assert plain(word) == word


@pytest.mark.parametrize("mac", ["11:22:33:44:55:16", "02:16:30:00:00:01", "00:00:00:00:00:01"])
def test_digit_only_mac(mac: str) -> None:
    """A MAC address of digits is text, not a number in base 60."""
    assert plain(mac) == mac


@pytest.mark.parametrize(
    "written", ["2001-12-14", "1_000", "0b101", "1.2.3", "10.10.1.0/24", "=", "<<", "-", "."]
)
def test_text_of_yaml_1_1(written: str) -> None:
    """Dates, binary numbers and digits with underscores are text in YAML 1.2."""
    assert plain(written) == written


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-17", -17),
        ("+5", 5),
        ("010", 10),
        ("0o17", 15),
        ("0xFf", 255),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
    ],
)
def test_core_schema(written: str, value: object) -> None:
    """Null, booleans and numbers have exactly the spellings of the core schema."""
    assert plain(written) == value
    assert type(plain(written)) is type(value)


def test_number_too_long_to_convert() -> None:
    """A number of thousands of digits stays text instead of costing quadratic time or an exception."""
    assert plain("9" * 5000) == "9" * 5000


def test_tags() -> None:
    """The core schema's tags are taken at their word; a tag that does not fit, or is unknown, is refused."""
    assert tagged("tag:yaml.org,2002:str", "12") == "12"
    assert tagged("!", "true") == "true"
    assert tagged("tag:yaml.org,2002:int", "12") == 12
    assert tagged("tag:yaml.org,2002:float", "12") == 12.0
    with pytest.raises(ValueError, match="'x' is no int as its tag !!int says"):
        tagged("tag:yaml.org,2002:int", "x")
    with pytest.raises(ValueError, match="unknown tag !!python/none"):
        tagged("tag:yaml.org,2002:python/none", "")
    with pytest.raises(ValueError, match="unknown tag !vault"):
        tagged("!vault", "x")
