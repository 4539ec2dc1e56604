"""IPv6 addresses that YAML takes for something else: told as such, at their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netnsmgr.config.load import load_text

QUOTES = "an IPv6 address that begins or ends with ':' has to be in quotes: "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gateways: [10.10.1.1, fd00:10:1::]", '1:33: "fd00:10:1::"'),
        ("a: {x: fd00:10:1::}", '1:18: "fd00:10:1::"'),
        ("a: {x: FD00::, y: 1}", '1:13: "FD00::"'),
        ("subnets: [::/64]", '1:11: "::/64"'),
        ("subnets: [10.10.1.0/24, ::1]", '1:25: "::1"'),
        ("a: 1\nb: [::]", '2:5: "::"'),
        ("a: ::", '1:5: "::"'),
        ("address6: fd00:10:1::", '1:21: "fd00:10:1::"'),
        ("a: 1\n---\naddress6: fd00:10:1::\nb: 1", '3:21: "fd00:10:1::"'),
    ],
)
def test_the_parser_stumbles(text: str, expected: str) -> None:
    """In lists and mappings in brackets, and at the end of a line."""
    (problem,) = load_text(text, "f").problems
    assert str(problem).replace(QUOTES, "") == f"f:{expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [a: b:]", "found unexpected ':'"),
        ("a: b: c", "unexpected ': '; check the indentation"),
        ("a: [::x]", "did not find expected node content"),
        ("a: 1::2::", "unexpected ': '; check the indentation"),
    ],
)
def test_no_address(text: str, expected: str) -> None:
    """Other words stay what they were."""
    (problem,) = load_text(text, "f").problems
    assert problem.what.startswith(expected)


@pytest.mark.parametrize(
    ("subnets", "expected"),
    [
        ("[10.10.1.0/24, fd00:10:1:: /64]", '[1]: "fd00:10:1::/64"'),
        ("\n  - fd00:10:1::", '[0]: "fd00:10:1::"'),
        ("\n  - ::", '[0]: "::"'),
    ],
)
def test_a_mapping_comes_of_it(lines: Callable[[str], list[str]], subnets: str, expected: str) -> None:
    """Where YAML sees nothing wrong, the reader does."""
    head = "apiVersion: netnsmgr/v1alpha1\nkind: NetworkInstance\nmetadata: {name: ni1}\nspec:\n"
    (said,) = lines(f"{head} subnets: {subnets}\n")
    assert said.partition("spec.subnets")[2].replace(QUOTES, "") == expected


def test_other_mappings(network: Callable[..., dict[str, Any]], faults: Callable[..., list[str]]) -> None:
    """A mapping that was meant as one stays one."""
    assert faults(network(subnets=[{"a": "b"}])) == [
        "0 spec.subnets[0]: must be text such as 10.10.1.0/24, not a mapping"
    ]
