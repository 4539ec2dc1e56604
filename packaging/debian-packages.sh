#!/bin/sh
# Installs the Debian packages that netnsmgr, its demo and its tests use; only what is missing.
#
#   debian-packages.sh                install what is missing (as root), or say what to install
#   debian-packages.sh --fullkernel   with what "make fullkernel" needs (a kernel and an emulator: 0.5 GB)
#   debian-packages.sh --list         print the names
set -eu

# What the daemon itself runs or loads, then what the demo, the tests and the benchmark use beside it.
runtime="
  charon-systemd  IPsec of an instance: IKEv2
  dhcpcd-base     DHCPv6 on the device's ports: addresses, delegated prefixes
  dnsmasq-base    DHCP and DNS of an instance
  dnsmasq-utils   dhcp_release, dhcp_release6: an application that leaves gives its lease back
  iproute2        ip: for the operator, tests and the demo
  libcharon-extra-plugins  IPsec where the kernel has no ESP (kernel-libipsec)
  libnftables1    packet filter and NAT, loaded as a library
  nftables        nft: for the operator, tests and the demo
  radvd           router advertisements of an instance with IPv6
  wireguard-go    WireGuard where the kernel has none
  wireguard-tools wg: WireGuard's keys and peers
  python3         the interpreter
  python3-venv    the virtual environment
  tayga           NAT64 of an instance that has only IPv6
  libstrongswan-extra-plugins  its newer algorithms
  unbound         DNS64 of an instance that has only IPv6
"
tools="
  ca-certificates pip fetches over TLS
  curl            HTTP through an instance
  bind9-dnsutils  dig: DNS through an instance
  graphviz        netnsmgr graph --format svg
  iperf3          throughput in make bench
  iputils-ping    reachability
  isc-dhcp-client the applications' DHCPv6 client
  isc-dhcp-server DHCPv6 of the site, with prefix delegation
  ndisc6          rdisc6: what a router advertises
  strongswan-swanctl the IPsec gateways that the tests connect to
  procps          ps, sysctl
  tcpdump         who sees whose packets
  udhcpc          the applications' DHCP client
  util-linux      unshare, nsenter: the device made for the tests
"
# Debian's own kernel, never booted by this machine but in a virtual one.
fullkernel="
  busybox-static    its initial file system
  kmod              modprobe: which modules it needs to read ours
  linux-image-amd64 the kernel
  qemu-system-x86   the virtual machine
"

wanted=$runtime$tools
if [ "${1:-}" = --fullkernel ]; then
    wanted=$wanted$fullkernel
    shift
fi
names=$(printf '%s' "$wanted" | awk 'NF {print $1}')
if [ "${1:-}" = --list ]; then
    printf '%s\n' $names
    exit 0
fi
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "not a Debian system: see to it that these programs are there ('netnsmgr doctor' checks):" >&2
    printf '%s\n' "$wanted" >&2
    exit 0
fi

missing=
for name in $names; do
    status=$(dpkg-query -W -f '${Status}' "$name" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $name"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    # Not an error: much (lint, unit tests) works without, and doctor says what does not.
    echo "missing Debian packages; as root: apt-get install -y --no-install-recommends$missing" >&2
    exit 0
fi
echo "installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q </dev/null
# The daemon runs these programs within its instances; none of them may serve the device itself.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
case "$missing " in *" unbound "*) ours=unbound ;; *) ours= ;; esac
if [ -n "$ours" ] && command -v systemctl >/dev/null; then
    # Else it would answer at the device's port 53 from the next start on; whoever wants that unmasks it.
    systemctl mask unbound.service
fi
case "$missing " in *" charon-systemd "*)
    # The same at its ports 500 and 4500: each instance has a charon of its own.
    ! command -v systemctl >/dev/null || systemctl mask strongswan.service ;;
esac
apt-get install -y -q --no-install-recommends $missing </dev/null
if [ -n "$ours" ] && [ -d /etc/apparmor.d/local ]; then
    # Debian's profile lets unbound read nothing outside of /etc/unbound.
    echo '/run/netnsmgr/instances/*/etc/unbound.* r,' >>/etc/apparmor.d/local/usr.sbin.unbound
    ! command -v apparmor_parser >/dev/null || apparmor_parser -r /etc/apparmor.d/usr.sbin.unbound || true
fi
