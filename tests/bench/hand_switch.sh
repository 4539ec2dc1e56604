#!/bin/sh
# A bridge for a segment as one makes it by hand with iproute2: no packet filter, no checks, no repair.
#
#   hand_switch.sh bridge N PORT APP...   the port, moved into the namespace hN, on a bridge with applications
#   hand_switch.sh filtered N PORT APP... the same with connection tracking and two rules for what is bridged
#   hand_switch.sh shared N PORT APP...   the port on a bridge of the device's own, with a veth to the bridge in hN
#   hand_switch.sh macvlan PORT APP       no bridge: the application's link is the port's macvlan
#   hand_switch.sh app N APP              one more application; APP is a network namespace that exists
set -e
inside() {
    ip netns add "h$1"
    ip -n "h$1" link set lo up
    ip -n "h$1" link add bn0 type bridge
    ip -n "h$1" link set bn0 up
}
app() {
    ip -n "h$1" link add "v$2" type veth peer name eth0 netns "$2"
    ip -n "h$1" link set "v$2" master bn0 up
}
apps() {
    n=$1
    shift
    for each; do app "$n" "$each"; done
}
what=$1
shift
case "$what" in
bridge | filtered)
    n=$1 port=$2
    shift 2
    inside "$n"
    ip link set "$port" netns "h$n"
    ip -n "h$n" link set "$port" master bn0 up
    apps "$n" "$@"
    if [ "$what" = filtered ]; then
        ip netns exec "h$n" nft 'table inet filter { chain forward { type filter hook forward priority filter;
            policy drop; ct state established,related accept; ip saddr 192.168.0.0/16 accept; }; }'
        ip netns exec "h$n" sysctl -q net.bridge.bridge-nf-call-iptables=1
    else
        ip netns exec "h$n" sysctl -q net.bridge.bridge-nf-call-iptables=0
    fi
    ;;
shared)
    n=$1 port=$2
    shift 2
    inside "$n"
    ip link add "br-$port" type bridge
    ip link set "$port" master "br-$port" up
    ip link add "sw-$port" type veth peer name "$port" netns "h$n"
    ip link set "sw-$port" master "br-$port" up
    ip address add "192.168.${port#eth}.2/24" dev "br-$port"
    ip link set "br-$port" up
    ip -n "h$n" link set "$port" master bn0 up
    apps "$n" "$@"
    ;;
macvlan)
    ip link set "$1" up
    ip link add link "$1" name eth0 netns "$2" type macvlan mode bridge
    ;;
app) app "$1" "$2" ;;
*) exit 2 ;;
esac
