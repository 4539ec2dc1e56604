#!/bin/sh
# Installs the Debian packages that netnsmgr, its demo and its tests use; only what is missing.
#
#   debian-packages.sh                install what is missing (as root), or say what to install
#   debian-packages.sh --fullkernel   with what "make fullkernel" needs (a kernel and an emulator: 0.5 GB)
#   debian-packages.sh --docker       with what "make poc-up" needs where no docker engine is installed
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
  libstrongswan-standard-plugins  IPsec's algorithms (charon's plugin openssl)
  netbase         /etc/protocols: libnftables knows tcp and udp by it
  nftables        nft: for the operator, tests and the demo
  radvd           router advertisements of an instance with IPv6
  strongswan-swanctl  charon's socket (its plugin vici); swanctl: for the operator
  wireguard-go    WireGuard where the kernel has none
  wireguard-tools wg: WireGuard's keys and peers
  python3         the interpreter
  python3-venv    the virtual environment
  tayga           NAT64 of an instance that has only IPv6
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
# An engine, in which the lab of poc/ runs.
docker="
  docker.io         the engine and its client
  docker-compose    brings up all containers
  mmdebstrap        the base image, where no registry can be reached
"

wanted=$runtime$tools
case "${1:-}" in
--fullkernel) wanted=$wanted$fullkernel && shift ;;
--docker) wanted=$wanted$docker && shift ;;
esac
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
ours=
for pair in unbound:unbound.service charon-systemd:strongswan.service; do
    case "$missing " in *" ${pair%%:*} "*) ours="$ours ${pair#*:}" ;; esac
done
if [ -n "$ours" ] && command -v systemctl >/dev/null; then
    # Else they would serve the device itself, at its ports 53, 500 and 4500, from the next start on; whoever wants that
    # unmasks them.
    systemctl mask $ours
fi
apt-get install -y -q --no-install-recommends $missing </dev/null
# Debian's profiles let them read nothing outside of /etc/unbound, /etc/strongswan.d and their like.
allow() {
    [ -d /etc/apparmor.d/local ] || return 0
    printf '%s\n' "$2" >>"/etc/apparmor.d/local/$1"
    ! command -v apparmor_parser >/dev/null || apparmor_parser -r "/etc/apparmor.d/$1" || true
}
case "$ours" in *unbound*) allow usr.sbin.unbound '/run/netnsmgr/instances/*/etc/unbound.* r,' ;; esac
case "$ours" in *strongswan*)
    allow usr.sbin.charon-systemd '/run/netnsmgr/instances/*/etc/charon.* r,
/run/netnsmgr/instances/*/charon.* rw,'
    ;;
esac
