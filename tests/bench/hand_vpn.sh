#!/bin/sh
# An instance with a tunnel, made by hand: a namespace with a bridge, one application, and WireGuard or IPsec.
#
#   hand_vpn.sh wireguard NUMBER DIRECTORY PREFIX   reads DIRECTORY/wg.conf (wg setconf), our address is 10.9.0.2
#   hand_vpn.sh ipsec NUMBER DIRECTORY PREFIX       reads DIRECTORY/strongswan.conf and DIRECTORY/swanctl/swanctl.conf
#
# Ends when the tunnel can be used.  The application a$NUMBER has PREFIX.9; what is behind the tunnel is 192.168.0.0/24.
set -eu
kind=$1 number=$2 directory=$3 prefix=$4
ns=h$number app=a$number
ip netns add "$ns"
ip -batch - <<LINK
link add hl$number type veth peer name uplink netns $ns
address add 169.254.90.$((2 * number))/31 dev hl$number
link set hl$number up
LINK
sysctl -qw net.ipv4.ip_forward=1
ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
ip -n "$ns" -batch - <<INSIDE
link set lo up
link add bn0 type bridge
address add $prefix.1/24 dev bn0
link set bn0 up
address add 169.254.90.$((2 * number + 1))/31 dev uplink
link set uplink up
route add default via 169.254.90.$((2 * number))
link add $app type veth peer name eth0 netns $app
link set $app master bn0
link set $app up
INSIDE
ip -n "$app" -batch - <<APPLICATION
address add $prefix.9/24 dev eth0
link set eth0 up
route add default via $prefix.1
APPLICATION
nft add table ip hand_vpn
nft add chain ip hand_vpn postrouting '{ type nat hook postrouting priority srcnat; }'
nft add rule ip hand_vpn postrouting ip saddr 169.254.90.0/24 masquerade
case $kind in
wireguard)
    link=wgh-$number
    if ! ip link add "$link" type wireguard 2>/dev/null; then
        wireguard-go -f "$link" >/dev/null 2>&1 &
        until [ -S /run/wireguard/$link.sock ] && ip link show "$link" >/dev/null 2>&1; do sleep 0.01; done
    fi
    wg setconf "$link" "$directory/wg.conf"
    ip link set "$link" netns "$ns" name wg0
    ip -n "$ns" -batch - <<TUNNEL
address add 10.9.0.2/24 dev wg0
link set wg0 mtu 1440 up
route add 192.168.0.0/24 dev wg0
TUNNEL
    ip netns exec "$ns" nft -f - <<RULES
table ip nat { chain postrouting { type nat hook postrouting priority srcnat; oifname "wg0" snat to 10.9.0.2; }; }
RULES
    ;;
ipsec)
    export STRONGSWAN_CONF=$directory/strongswan.conf SWANCTL_DIR=$directory/swanctl
    ip -n "$ns" rule add pref 100 lookup main suppress_prefixlength 0
    ip netns exec "$ns" charon-systemd >/dev/null 2>&1 &
    until [ -S "$directory/charon.vici" ]; do sleep 0.01; done
    ip netns exec "$ns" swanctl --load-all --noprompt --uri "unix://$directory/charon.vici" >/dev/null
    ip netns exec "$ns" swanctl --initiate --child net --uri "unix://$directory/charon.vici" >/dev/null
    ;;
esac
