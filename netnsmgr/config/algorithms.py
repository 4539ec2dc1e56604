"""Algorithms of IKE and ESP as strongSwan calls them: what each word of a proposal is for, and which are no longer safe.

Words: strongSwan's documentation, "Algorithm Proposals (Cipher Suites)".  What is safe: RFC 8247 for IKE, RFC 8221 for ESP.
"""

from __future__ import annotations

import re
from typing import Literal

Part = Literal["encryption", "aead", "integrity", "prf", "group", "none", "esn"]

_WORDS: tuple[tuple[Part, str], ...] = (
    ("aead", r"aes(128|192|256)?(gcm|ccm)(8|12|16|64|96|128)?|camellia(128|192|256)ccm(8|12|16|64|96|128)"),
    ("aead", r"chacha20poly1305"),
    ("encryption", r"aes(128|192|256)?(ctr)?|camellia(128|192|256)?(ctr)?"),
    ("encryption", r"(blowfish|serpent|twofish)(128|192|256)?|cast128|3?des|null|aes(128|192|256)gmac"),
    (
        "integrity",
        r"sha|sha1(_160)?|md5(_128)?|sha(2_)?(256|384|512)|sha(2_)?256_96|aesxcbc|aescmac|camelliaxcbc",
    ),
    ("prf", r"prf(sha1|sha256|sha384|sha512|md5|aesxcbc|aescmac|camelliaxcbc)"),
    ("group", r"modp(768|1024|1536|2048|3072|4096|6144|8192|1024s160|2048s224|2048s256)"),
    ("group", r"ecp(192|521)|ecp(224|256|384)(bp)?|ecp512bp|(curve|x)(25519|448)"),
    ("none", r"none|modpnone"),
    ("esn", r"(no)?esn"),
)
_PARTS = tuple((part, re.compile(pattern)) for part, pattern in _WORDS)
_CLEAR = re.compile(r"null|.*gmac")
_WEAK = re.compile(
    r"(prf)?(sha|sha1(_160)?|md5(_128)?)|3?des|cast128|blowfish.*|modp(768|1024|1536)(s160)?|modp2048s(224|256)|ecp192"
)
_EXAMPLE = {"IKE": "aes256gcm16-prfsha384-ecp384", "ESP": "aes256gcm16-x25519"}


def part_of(word: str) -> Part | None:
    """Return what a word of a proposal is for; None for one that is not known."""
    return next((part for part, pattern in _PARTS if pattern.fullmatch(word)), None)


def weak(proposal: str) -> list[str]:
    """Return the words of a proposal that no longer count as safe."""
    return [word for word in proposal.split("-") if _WEAK.fullmatch(word)]


def fault(proposal: str, protocol: Literal["IKE", "ESP"]) -> str:
    """Say why no two ends can agree on a proposal, or should not; empty if nothing is wrong with it."""
    if proposal == "default":
        return ""
    example = f"for example {_EXAMPLE[protocol]}"
    words = proposal.split("-")
    for word in words:
        if part_of(word) is None:
            return f"'{word}' is no algorithm that strongSwan knows; write {example}"
        if _CLEAR.fullmatch(word):
            return f"'{word}' encrypts nothing, and what is for a tunnel does not leave in clear; write {example}"
    parts = {part_of(word) for word in words}
    if not parts & {"encryption", "aead"}:
        return f"'{proposal}' names no encryption; write {example}"
    if {"encryption", "aead"} <= parts:
        return f"'{proposal}' names encryption with and without integrity (gcm, ccm), which no end takes together; write two"
    if "encryption" in parts and "integrity" not in parts:
        return f"'{proposal}' names nothing against changes on the way; add sha256, or use {_EXAMPLE[protocol].split('-')[0]}"
    if protocol == "ESP":
        return f"'{proposal}' names a prf, which only IKE has; write {example}" if "prf" in parts else ""
    if "group" not in parts:
        return f"'{proposal}' names no group for the exchange of keys, which IKE needs; add such as ecp384 or x25519"
    if "aead" in parts and not parts & {"prf", "integrity"}:
        return f"'{proposal}' names no prf, which IKE needs beside {words[0]}; add such as prfsha384"
    return f"'{proposal}' names an ESP option ('esn'); leave it out" if "esn" in parts else ""
