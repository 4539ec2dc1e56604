"""The messages of EVE's API that are read: which of their fields, and why not the others.

From lf-edge/eve-api, proto/config and proto/evecommon, as of commit c022866 (2026-05-04).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

UNKNOWN = "unknown field: EVE's API has none of that name"
DEPRECATED = "EVE itself takes no notice of it any more"
IMAGES = "images and volumes are no matter of networks"
RUNNING = "how applications are run is no matter of networks"
MANAGED = "how the device is managed is no matter of networks"
HARDWARE = "hardware that belongs to no port is no matter of networks"
PRIVATE = "may hold secrets; what applications may know goes into metadata of the App"
WIRELESS = "settings of WLAN and cellular modems; netnsmgr uses such a port once it is connected"
PROXY = "netnsmgr knows no proxies"


@dataclass(frozen=True)
class Kind:
    """A message: the fields that are read, and of the others why they are left, all in lowerCamelCase."""

    read: frozenset[str]
    left: Mapping[str, str] = field(default_factory=dict)
    deprecated: frozenset[str] = frozenset()


def _kind(read: str, deprecated: str = "", **left: str) -> Kind:
    whys = {name: why for why, names in left.items() for name in names.split()}
    return Kind(
        frozenset(read.split()), {n: _WHYS[w] for n, w in whys.items()}, frozenset(deprecated.split())
    )


_WHYS = {
    "images": IMAGES,
    "running": RUNNING,
    "managed": MANAGED,
    "hardware": HARDWARE,
    "private": PRIVATE,
    "wireless": WIRELESS,
    "proxy": PROXY,
    "named": "rules have a number here, and no name",
    "shared": "an application knows the others of its network by their names in DNS only",
    "vfs": "netnsmgr uses virtual functions as it finds them",
    "merged": "of what DHCP says netnsmgr replaces addresses, gateways and DNS servers by what is written, and adds nothing",
    "told": "is told to the controller only",
}

DEVICE = _kind(
    "id apps networks systemAdapterList deviceIoList networkInstances vlans bonds deviceName contentInfo volumes",
    deprecated="base lispInfo",
    images="datastores disks",
    running="globalProfile localProfileServer profileServerToken patchEnvelopes cluster",
    managed="reboot backup shutdown configItems manufacturer productName cipherContexts controllercertConfighash "
    "maintenanceMode controllerEpoch baseos edgeview projectName projectId enterpriseName enterpriseId "
    "configTimestamp locConfig pnacs scepProfiles",
)
UUID_AND_VERSION = _kind("uuid version")
APP = _kind(
    "uuidandversion displayname activate interfaces fixedresources drives volumeRefList",
    running="adapters restart purge remoteConsole profileList startDelayInSeconds service cloudInitVersion snapshot "
    "patchRef designatedNodeId vmResolution runtimeType affinity collectStatsIPAddr metaDataType",
    private="userData cipherData",
)
RESOURCES = _kind(
    "virtualizationMode enforceNetworkInterfaceOrder kernel ramdisk memory maxmem vcpus maxcpus rootdev extraargs "
    "bootloader cpus devicetree dtdev irqs iomem enableVnc vncDisplay vncPasswd disableLogs pinCpu vmmMaxmem "
    "enableVncShimVm bootMode enableOemWinLicenseKey disableVtpm bootOrder"
)
DRIVE = _kind("image readonly preserve drvtype target maxsizebytes")
IMAGE = _kind("iformat uuidandversion name sha256 siginfo dsId sizeBytes")
VOLUME_REF = _kind("uuid generationCount mountDir")
VOLUME = _kind(
    "uuid origin protocols generationCount maxsizebytes readonly displayName clearText target designatedNodeId"
)
ORIGIN = _kind("downloadContentTreeID type")
CONTENT = _kind(
    "uuid iformat dsId URL sha256 maxSizeBytes siginfo displayName generationCount customMetaData dsIdsList designatedNodeId"
)
INTERFACE = _kind(
    "name networkId addr macAddress acls accessVlanId interfaceOrder",
    deprecated="hostname cryptoEid lispsignature pemcert pemprivatekey",
    shared="allowToDiscover",
)
RULE = _kind("matches actions id dir", named="name")
MATCH = _kind("type value")
ACTION = _kind("drop limit limitrate limitunit limitburst portmap appPort")
INSTANCE = _kind(
    "uuidandversion displayname instType activate port stp cfg ipType ip dns mtu disableFlowlog vlanAccessPorts "
    "forwardLldp propagateConnectedRoutes staticRoutes",
)
ROUTE = _kind("destinationNetwork gateway port probe preferLowerCost preferStrongerWwanSignal")
STP = _kind("portsWithBpduGuard")
OPAQUE = _kind("oconfig type", deprecated="lispConfig")
ACCESS_PORT = _kind("vlanId accessPort")
ADAPTER = _kind("name type", vfs="ethVf", running="interfaceOrder")
IP = _kind("dhcp subnet gateway domain ntp moreNtp dns dhcpRange dhcpOptionsIgnore")
IGNORED = _kind(
    "ipAddressesExclusively", merged="ntpServerExclusively dnsConfigExclusively gatewaysExclusively"
)
RANGE = _kind("start end")
HOST = _kind("HostName Address")
NETWORK = _kind("id type ip mtu", deprecated="dns", proxy="entProxy", wireless="wireless")
SYSTEM_ADAPTER = _kind(
    "name freeUplink uplink networkUUID addr lowerLayerName cost sharedLabels",
    managed="allowLocalModifications",
    told="alias",
)
PHYSICAL = _kind(
    # Of usage and groups EVE takes no notice where a system adapter makes a port of it.
    "ptype phylabel phyaddrs logicallabel usage usagePolicy assigngrp parentassigngrp",
    hardware="cbattr",
    vfs="vflist",
)
POLICY = _kind("freeUplink", deprecated="fallBackPriority")
VLAN = _kind("logicallabel interfaceName lowerLayerName vlanId")
BOND = _kind("logicallabel interfaceName lowerLayerNames bondMode mii arp lacpRate")

# --- enumerations ----------------------------------------------------------------------------------------------

SWITCH, LOCAL, CLOUD = "ZnetInstSwitch", "ZnetInstLocal", "ZnetInstCloud"
INSTANCE_TYPES = {
    0: "ZNetInstFirst",
    1: SWITCH,
    2: LOCAL,
    3: CLOUD,
    4: "ZnetInstMesh",
    5: "ZnetInstHoneyPot",
    6: "ZnetInstTransparent",
    255: "ZNetInstLast",
}
ADDRESS_TYPES = {0: "First", 1: "IPV4", 2: "IPV6", 3: "CryptoIPV4", 4: "CryptoIPV6", 255: "Last"}
STATIC, CLIENT = "Static", "Client"
DHCP_TYPES = {0: "DHCPNoop", 1: STATIC, 2: "DHCPNone", 4: CLIENT}
V6_ONLY = "V6Only"
NETWORK_TYPES = {
    0: "NETWORKTYPENOOP",
    4: "V4",
    6: "V6",
    7: "V4Only",
    8: V6_ONLY,
    9: "DualV4V6",
    14: "CryptoEID",
    24: "CryptoV4",
    26: "CryptoV6",
}
ETHERNET, WLAN, WWAN = "PhyIoNetEth", "PhyIoNetWLAN", "PhyIoNetWWAN"
HARDWARE_TYPES = {
    0: "PhyIoNoop",
    1: ETHERNET,
    2: "PhyIoUSB",
    3: "PhyIoCOM",
    4: "PhyIoAudio",
    5: WLAN,
    6: WWAN,
    7: "PhyIoHDMI",
    9: "PhyIoNVMEStorage",
    10: "PhyIoSATAStorage",
    11: "PhyIoNetEthPF",
    12: "PhyIoNetEthVF",
    13: "PhyIoUSBController",
    14: "PhyIoUSBDevice",
    15: "PhyIoCAN",
    16: "PhyIoVCAN",
    17: "PhyIoLCAN",
    255: "PhyIoOther",
}
BOTH, INGRESS, EGRESS = "BOTH", "INGRESS", "EGRESS"
DIRECTIONS = {0: BOTH, 1: INGRESS, 2: EGRESS}
CONTAINER = "CONTAINER"
FORMATS = dict(
    enumerate(
        ("FmtUnknown", "RAW", "QCOW", "QCOW2", "VHD", "VMDK", "OVA", "VHDX", CONTAINER, "ISO", "PVC"),
    )
)
NO_HYPERVISOR = "NOHYPER"
VIRTUALIZATION = {0: "PV", 1: "HVM", 2: "Filler", 3: "FML", 4: NO_HYPERVISOR, 5: "LEGACY"}
