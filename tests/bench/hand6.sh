#!/bin/sh
# A network with both versions of IP as one makes it by hand, in the device's own namespace: a bridge, dnsmasq for DHCP
# and DNS, radvd, and one masquerade for each version.  An application has the namespace hN, which exists already.
#
#   hand6.sh init       forwarding, and an address of the port's IPv6 subnet (the lab has given the others)
#   hand6.sh add N      10.66.N.0/24 and fd00:66:N::/64
set -e
run=/run/hand
init() {
    mkdir -p $run
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    nft 'table inet byhand { chain postrouting { type nat hook postrouting priority srcnat; policy accept;
         ip saddr 10.66.0.0/16 oifname "eth*" masquerade; ip6 saddr fd00:66::/32 oifname "eth*" masquerade; }; }'
}
add() {
    n=$1 bridge=hand$1 net=10.66.$1 net6=fd00:66:$1:
    ip link add "$bridge" address 02:66:00:00:00:0"$n" type bridge
    ip address add "$net.1/24" dev "$bridge"
    ip address add "$net6:1/64" dev "$bridge" nodad
    ip link set "$bridge" up
    ip link add "h$n" type veth peer name eth0 netns "h$n"
    ip link set "h$n" master "$bridge" up
    dnsmasq --conf-file=/dev/null --user=root --pid-file=$run/dnsmasq$n --interface="$bridge" --bind-interfaces \
        --except-interface=lo --no-resolv --server=192.168.0.1 --no-hosts --no-ping --dhcp-authoritative \
        --dhcp-leasefile=$run/leases$n --dhcp-range="$net.50,$net.150,255.255.255.0,1h"
    cat >$run/radvd$n.conf <<-E2
	interface $bridge { AdvSendAdvert on; prefix $net6:/64 { }; RDNSS $net6:1 { }; };
	E2
    radvd -C $run/radvd$n.conf -p $run/radvd$n.pid -m none
}
case "$1" in
init) init ;;
add) add "$2" ;;
*) exit 2 ;;
esac
