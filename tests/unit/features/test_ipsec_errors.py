"""charon's log lines in words: which line says what, and what lines of good days say."""

from __future__ import annotations

import pytest

from netnsmgr.features.vpn.ipsec_errors import begins, read, silent


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("received AUTHENTICATION_FAILED notify error", "authentication failed: the other end does not accept us"),
        ("tried 1 shared key for 'device' - 'cloud', but MAC mismatched", "the other end 'cloud' has another secret"),
        ("no shared key found for 'device' - 'cloud'", "there is no secret for 'device' and 'cloud'"),
        ("no private key found for 'device'", "localAuth.privateKey is not the key"),
        ('no issuer certificate found for "CN=cloud"', "'CN=cloud' is not signed by the authority"),
        ("no trusted ECDSA public key found for 'cloud'", "for 'cloud' is not trusted"),
        ("subject certificate invalid (valid from A to B)", "is valid from A to B only"),
        ("constraint check failed: identity 'cloud' required ", "does not say that it is 'cloud'"),
        ("received NO_PROPOSAL_CHOSEN notify error", "no proposal chosen: the other end takes none of the connection's"),
        ("received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built", "takes none of the child's proposals (ESP)"),
        ("received TS_UNACCEPTABLE notify, no CHILD_SA built", "selectors not acceptable"),
        ("no acceptable traffic selectors found", "selectors not acceptable"),
        ("received FAILED_CP_REQUIRED notify, no CHILD_SA built", "virtualIp: true"),
        ("received INTERNAL_ADDRESS_FAILURE notify, no CHILD_SA built", "gives us no address"),
        ("received INVALID_SYNTAX notify error", "the other end refuses: INVALID_SYNTAX"),
        ("received SINGLE_PAIR_REQUIRED notify, no CHILD_SA built", "refuses the child: SINGLE_PAIR_REQUIRED"),
        ("error writing to socket: Network is unreachable", "no route to the other end (Network is unreachable)"),
        ("retransmit 2 of request with message ID 0", "does not answer"),
        ("peer not responding, trying again (2/0)", "does not answer"),
        ("giving up after 5 retransmits", "does not answer"),
        ("error installing route with policy 10.0.0.0/8 === 10.1.0.0/16 out", "local networks (10.0.0.0/8)"),
        ("unable to install inbound and outbound IPsec SA (SAD) in kernel", "the machine cannot carry the tunnel"),
    ],
)  # fmt: skip
def test_said(line: str, words: str) -> None:
    """The sentence names what to check, and has everything filled in."""
    found = read(line)
    assert found is not None
    assert words in found.words
    assert "{" not in found.words


@pytest.mark.parametrize(
    "line",
    [
        "IKE_SA cloud1.ab[1] established between 192.0.2.2[device]...192.0.2.1[cloud]",
        "authentication of 'device' (myself) with pre-shared key",
        "authentication of 'cloud' with pre-shared key successful",
        "retransmit 1 of request with message ID 0",
        "peer didn't accept DH group ECP_384, it requested ECP_256",
        "CHILD_SA net{1} established with SPIs cfc07c8a_i d76d1eb6_o and TS 10.11.12.0/24 === 10.20.0.0/24",
        "received DELETE for IKE_SA cloud1.ab[5]",
        "certificate status is not available",
        "sending keep alive to 192.0.2.1[4500]",
        "",
    ],
)
def test_unsaid(line: str) -> None:
    """Nothing is wrong, or nothing that was not said by another line."""
    assert read(line) is None


def test_ranks() -> None:
    """What a certificate says is not hidden by what follows from it."""
    cause, effect = (
        read('no issuer certificate found for "CN=cloud"'),
        read("no trusted ECDSA public key found for 'cloud'"),
    )
    route, silence = (
        read("error writing to socket: Network is unreachable"),
        read("retransmit 3 of request with message ID 0"),
    )
    assert cause is not None
    assert effect is not None
    assert route is not None
    assert silence is not None
    assert cause.rank > effect.rank
    assert route.rank > silence.rank


def test_attempts() -> None:
    """Where an attempt begins and ends is seen from lines, too."""
    assert begins("initiating IKE_SA cloud1.ab[2] to 192.0.2.1")
    assert not begins("192.0.2.2 is initiating an IKE_SA")
    assert silent("peer not responding, trying again (2/0)")
    assert not silent("retransmit 3 of request with message ID 0")
