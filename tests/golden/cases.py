"""The configurations of the golden files, each as small as its subject allows."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

from netnsmgr.features.scope import PortFacts

HEAD = "apiVersion: netnsmgr/v1alpha1\n"
DEVICE = (
    HEAD
    + """\
kind: Device
metadata: {name: edge}
spec:
  ports:
    - {name: eth0, labels: [wired], addresses: [192.168.0.2/24], gateways: [192.168.0.1], dns: [192.168.0.1]}
"""
)


def ni(spec: str, name: str = "ni1") -> str:
    return f"---\n{HEAD}kind: NetworkInstance\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


def app(interfaces: str, name: str = "app1", attach: str = "netns: app1") -> str:
    return (
        f"---\n{HEAD}kind: App\nmetadata: {{name: {name}}}\n"
        f"spec: {{attach: {{{attach}}}, interfaces: [{interfaces}]}}\n"
    )


ETH0 = "{name: eth0, network: ni1}"
LOCAL = "ports: [eth0], subnets: [10.10.1.0/24], dhcp: {range: 10.10.1.50-10.10.1.150}"

AIR_GAPPED = DEVICE + ni("subnets: [10.10.1.0/24], dhcp: {}") + app(ETH0)
STATIC = DEVICE + ni(LOCAL) + app("{name: eth0, network: ni1, address: 10.10.1.20, mac: '02:16:3e:00:00:01'}")
SEVERAL_PORTS = (
    HEAD
    + """\
kind: Device
metadata: {name: edge}
spec:
  linkPool: 10.255.0.0/24
  ports:
    - {name: eth0, labels: [wired], addresses: [192.168.0.2/24, 192.168.0.3/24, 10.0.0.2/16], gateways: [192.168.0.1, 192.168.0.9],
       dns: [192.168.0.1], ntp: [192.168.0.1], cost: 5, mtu: 1400}
    - {name: lte, interface: wwan0, dns: [9.9.9.9, 192.168.0.1], cost: 10}
    - {name: eth2, labels: [wired], addresses: [192.168.2.2/24], gateways: [192.168.2.1]}
"""
    + ni("ports: [wired, lte], subnets: [10.10.1.0/24]")
    + ni("ports: [lte], subnets: [10.10.2.0/24]", "ni2")
)
AS_FOUND = {
    "lte": PortFacts(
        "lte", "wwan0", present=True, up=True, carrier=True, mtu=1430,
        addresses=(IPv4Interface("100.64.7.9/32"),), gateways=(IPv4Address("100.64.0.1"),),
        dns=(IPv4Address("9.9.9.9"), IPv4Address("192.168.0.1")),
    )
}  # fmt: skip
NO_DHCP = DEVICE + ni("ports: [eth0], subnets: [10.10.1.0/24], gateways: [10.10.1.254], tcpMssClamp: false")
CUSTOM = (
    DEVICE
    + ni(
        "ports: [wired], subnets: [10.10.1.0/24], mtu: 1400,"
        "dhcp: {range: 10.10.1.50-10.10.1.150, leaseTime: 2h, ntp: [10.0.0.7, 10.0.0.8], domain: plant.example},"
        "dns: {hosts: {printer: [10.10.1.9], gw.example: [10.10.1.1, 10.10.1.2]}, servers: [9.9.9.9, 1.1.1.1]}"
    )
    + app(ETH0 + ", {name: eth1, network: ni1}", attach="pid: 4711")
    + app("{name: serial-console0, network: ni1}", name="programmable-logic-controller", attach="tap: true")
)

PORT_MAPS = (
    SEVERAL_PORTS
    + app(
        "{name: eth0, network: ni1, acl: ["
        "{id: 1, match: {protocol: tcp, lport: 8080}, action: {portmap: 80}}, "
        "{id: 2, match: {protocol: udp, lport: 5000, adapter: wired, ip: [10.0.0.0/8, 192.0.2.7]}, action: {portmap: 5000}}]}"
    )
    + app(
        "{name: eth0, network: ni2, address: 10.10.2.20, acl: ["
        "{id: 1, match: {protocol: tcp, lport: 8443, adapter: lte}, action: {portmap: 443}}]}",
        name="app2",
        attach="netns: app2",
    )
)

NAT64 = (
    DEVICE
    + ni("ports: [eth0], subnets: ['fd00:10:1::/64'], nat64: {}, dns: {hosts: {printer: [192.168.0.9]}}")
    + app("{name: eth0, network: ni1, acl: [{id: 1, match: {ip: 192.0.2.0/24, protocol: tcp}}]}")
)

PORT6 = "addresses: [192.168.0.2/24, '2001:db8::2/64'], gateways: [192.168.0.1, 'fe80::1'], dns: ['2001:db8::53', 192.168.0.1]"
DHCP6 = (
    HEAD
    + f"kind: Device\nmetadata: {{name: edge}}\nspec: {{ports: [{{name: eth0, {PORT6}}}]}}\n"
    + ni(
        "ports: [eth0], subnets: [10.10.1.0/24, '2001:db8:5::/64'], dhcp: {ntp: [10.10.1.5, '2001:db8:5::5']},"
        "ipv6: {addressing: stateful, routes: ['fd00:20::/48']}"
    )
    + app("{name: eth0, network: ni1, address6: '2001:db8:5::20', duid: '00:02:00:00:ab:11:01:02'}")
)
IPV6_ALONE = (
    HEAD
    + "kind: Device\nmetadata: {name: edge}\nspec: {ports: []}\n"
    + ni("subnets: ['fd00:10:1::/64']")
    + app(ETH0)
)

MOVED = "{name: eth3, interface: enp3s0, mtu: 1500}"
SWITCH_DEVICE = DEVICE + f"    - {MOVED}\n"
SWITCH = SWITCH_DEVICE + ni("type: switch, ports: [eth3]", "sw1")
ON_SWITCH = app("{name: eth0, network: sw1}")
SWITCH_APPS = (
    SWITCH
    + ON_SWITCH
    + app(
        "{name: eth0, network: sw1, etherTypes: [profinet], acl: ["
        "{id: 1, match: {ip: 192.168.3.0/24, protocol: tcp, lport: 102}, direction: in}, {id: 2, match: {eidset: true}}]}",
        name="app2",
        attach="tap: true",
    )
)
SWITCH_VLANS = (
    HEAD
    + """\
kind: Device
metadata: {name: edge}
spec:
  management: eth0
  ports:
    - {name: eth0, addresses: [192.168.0.2/24], gateways: [192.168.0.1], shared: true}
    - {name: eth4, labels: [field]}
    - {name: eth5, labels: [field]}
    - {name: plant, interface: eth6.100, vlan: {parent: eth6, id: 100}}
    - {name: eth6}
"""
    + ni(
        "type: switch, ports: [eth0, field, plant], vlans: {field: {access: 100}, eth0: {trunk: [100, 200]}},"
        "stp: {bpduGuard: [field], priority: 4096, forwardDelay: 4}, forward: [lldp], mtu: 1400",
        "sw1",
    )
    + app(
        "{name: eth0, network: sw1, vlan: {access: 200}}, {name: eth1, network: sw1, antiSpoofing: false}, "
        "{name: eth2, network: ni1}"
    )
    + ni("ports: [eth0], subnets: [10.10.1.0/24]")
)

KEY = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
WIREGUARD = (
    DEVICE
    + ni(
        LOCAL + ", dns: {servers: [10.20.0.53]}, vpn: {wireguard: {tunnels: ["
        "{name: wg0, addresses: [10.9.0.2/24], privateKey: {file: /etc/netnsmgr/secrets/wg0.key}, peers: ["
        f"{{name: hub, publicKey: {KEY}, presharedKey: {{file: /etc/netnsmgr/secrets/hub.psk}}, endpoint: '203.0.113.1:51820',"
        " allowedIps: [10.20.0.0/24, 10.9.0.0/24], keepalive: 25}]}, "
        "{name: wg1, listenPort: 51820, nat: false, peers: ["
        f"{{name: plant, publicKey: {KEY}, allowedIps: [10.30.0.0/16]}}]}}]}}}}"
    )
    + app(ETH0)
)
IPSEC = (
    DEVICE
    + ni(
        LOCAL
        + ", dns: {servers: [10.20.0.53]}, vpn: {ipsec: {connections: [{name: cloud1, remote: 198.51.100.1, "
        "auth: {psk: {file: /etc/netnsmgr/secrets/ni1.psk}}, localAuth: {id: device7}, "
        "children: [{name: net, remote: [10.20.0.0/24]}]}]}}"
    )
    + app(ETH0)
)
FULL_TUNNEL = DEVICE + ni(
    "ports: [eth0], subnets: [10.10.1.0/24, 'fd00:10:1::/64'], vpn: {wireguard: {tunnels: [{name: wg0, "
    f"addresses: [10.9.0.2/32, 'fd00:9::2/128'], peers: [{{name: hub, publicKey: {KEY}, endpoint: 'vpn.example.com:51820', "
    "allowedIps: [0.0.0.0/0, '::/0']}]}]}}"
)

CASES = {
    "nat64": NAT64,
    "air-gapped": AIR_GAPPED,
    "static-address": STATIC,
    "several-ports": SEVERAL_PORTS,
    "no-dhcp": NO_DHCP,
    "custom": CUSTOM,
    "port-maps": PORT_MAPS,
    "dhcp6": DHCP6,
    "ipv6-alone": IPV6_ALONE,
    "switch": SWITCH_APPS,
    "switch-vlans": SWITCH_VLANS,
    "switch-air-gapped": DEVICE + ni("type: switch", "sw1") + ON_SWITCH,
    "wireguard": WIREGUARD,
    "ipsec": IPSEC,
    "full-tunnel": FULL_TUNNEL,
}

STATIC_ETH0 = "{name: eth0, network: ni1, address: 10.10.1.20}"
BASE = DEVICE + ni(LOCAL)
CHANGES = {
    "nothing": (BASE + app(ETH0), BASE + app(ETH0)),
    "an application joins": (BASE, BASE + app(ETH0)),
    "an application leaves": (BASE + app(ETH0), BASE),
    "an application gets a fixed address": (
        BASE + app(ETH0),
        BASE + app("{name: eth0, network: ni1, address: 10.10.1.20}"),
    ),
    "an application gets another MAC": (
        BASE + app(ETH0),
        BASE + app("{name: eth0, network: ni1, mac: '02:16:3e:00:00:01'}"),
    ),
    "a DNS server is added": (BASE, DEVICE + ni(LOCAL + ", dns: {servers: [9.9.9.9]}")),
    "the lease time changes": (BASE, BASE.replace("10.10.1.150}", "10.10.1.150, leaseTime: 2h}")),
    "the MTU changes": (BASE + app(ETH0), (BASE + app(ETH0)).replace("subnets:", "mtu: 1400, subnets:")),
    "the subnet changes": (BASE, BASE.replace("10.10.1.", "10.10.2.")),
    "MSS clamping is switched off": (BASE, DEVICE + ni(LOCAL + ", tcpMssClamp: false")),
    "the instance loses its port": (BASE, BASE.replace("ports: [eth0], subnets", "subnets")),
    "an application gets a port map": (
        BASE + app(STATIC_ETH0),
        BASE
        + app(
            STATIC_ETH0.replace(
                "}", ", acl: [{id: 1, match: {protocol: tcp, lport: 8080}, action: {portmap: 80}}]}"
            )
        ),
    ),
    "an instance gets IPv6": (BASE, BASE.replace("[10.10.1.0/24]", "[10.10.1.0/24, 'fd00:10:1::/64']")),
    "the IPv6 subnet changes": (
        DEVICE + ni("subnets: ['fd00:10:1::/64']"),
        DEVICE + ni("subnets: ['fd00:10:2::/64']"),
    ),
    "an instance gets a VPN": (BASE + app(ETH0), WIREGUARD.replace(", dns: {servers: [10.20.0.53]}", "")),
    "a WireGuard peer comes": (
        FULL_TUNNEL.replace("'::/0'", "'fd00:20::/64'"),
        FULL_TUNNEL.replace(
            "'::/0']}",
            f"'fd00:20::/64']}}, {{name: plant, publicKey: {KEY.replace('T', 'U')}, "
            "endpoint: '203.0.113.2:51820', allowedIps: ['fd00:30::/64']}",
        ),
    ),
    "an IPsec connection leads elsewhere": (IPSEC, IPSEC.replace("[10.20.0.0/24]", "[10.20.0.0/16]")),
    "another instance comes": (BASE, BASE + ni(LOCAL, "ni2")),
    "a switch comes, and takes its port": (SWITCH_DEVICE, SWITCH),
    "a switch goes, and gives it back": (SWITCH, SWITCH_DEVICE),
    "an application joins a switch": (SWITCH, SWITCH + ON_SWITCH),
    "a switch learns of VLANs": (
        SWITCH + ON_SWITCH,
        SWITCH + ON_SWITCH.replace("network: sw1", "network: sw1, vlan: {access: 100}"),
    ),
    "a port is shared": (
        DEVICE,
        DEVICE.replace("name: eth0,", "name: eth0, shared: true,"),
    ),
    "the instance goes": (BASE + ni(LOCAL, "ni2"), DEVICE + ni(LOCAL, "ni2")),
}
