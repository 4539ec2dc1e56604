"""What comes of a decision: chains and maps that the frames of all kinds of instances share.

`table` says what marks mean; its frame and that of switches lead here.
"""

from __future__ import annotations

from netnsmgr.core.agreed import ACTION_MASK, ACTION_SHIFT, INDEX_MASK, Action

DROP, REJECT, LIMIT = (action << ACTION_SHIFT for action in (Action.DROP, Action.REJECT, Action.LIMIT))

DECLARED = """\
map out_lists { type mark : verdict; }
map in_lists { type mark : verdict; }
map limiters { type mark : verdict; }
map routers { type mark : verdict; }
map fresh { type mark : verdict; }
map stamp { type nf_proto : verdict; }
map log_drop { type nf_proto : verdict; }
map log_in { type nf_proto : verdict; }
set hits { type mark; size 262144; flags dynamic; }
counter unlogged { }"""
"""Maps that lead to parts, and what counts."""

DECIDED_OUT = f"""\
chain decided_out {{
    update @hits {{ ct mark counter }}
    ct mark and {ACTION_MASK:#010x} vmap {{ {DROP:#x} : goto denied_out, {REJECT:#x} : goto rejected_out }}
    ct mark and {INDEX_MASK:#010x} vmap @limiters
    return
}}
chain denied_out {{
    meta mark set ct mark
    goto denied
}}
chain rejected_out {{
    meta mark set ct mark
    goto rejected
}}"""  # noqa: S608  nft's "update", not a database's
"""Where an *out* list goes with its verdict in the flow's mark; comes back if the flow may go on."""

DENIED = f"""\
chain limited {{
    ct mark and {ACTION_MASK:#010x} {LIMIT:#x} meta mark set ct mark
    goto denied
}}
chain denied {{
    meta nfproto vmap @log_drop
    drop
}}"""
"""Ends of packets that may not, beside `rejected`."""

ALLOWED = f"""\
chain allowed {{
    meta pkttype {{ broadcast, multicast }} accept
    ct mark and {ACTION_MASK:#010x} {LIMIT:#x} accept
    meta nfproto vmap @stamp
    accept
}}"""
"""The end of packets that may."""
