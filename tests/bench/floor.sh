#!/bin/sh
# The benchmark's floor: what netnsmgr does for network instances, as a shell script of iproute2, nft and dnsmasq
# would do it: no look at what exists, no checks, no repair.  Plain, it has a command for each step, as one writes it
# by hand; with PACKED=1 it is written for speed (ip -batch).
#
#   floor.sh init                  once per device: forwarding, NAT, order of the rules
#   floor.sh add FIRST LAST PORT   instances FIRST to LAST, leaving by PORT (eth0 -> 192.168.0.1, eth1 -> 192.168.1.1);
#                                  instance N has 10.A.B.0/24 (A = N / 250, B = N % 250 + 1) and the applications
#                                  aN.1 and aN.2 in namespaces that exist already
#   floor.sh del FIRST LAST
set -e
run=/run/floor
# Commands of ip, one a line; also for the shell inside an instance's namespace.
if [ -n "$PACKED" ]; then
    commands="ip -batch -"
else
    commands="while read -r words; do ip \$words || exit 1; done"
fi
commands() { eval "$commands"; }

init() {
    mkdir -p $run
    echo 1 >/proc/sys/net/ipv4/ip_forward
    commands <<-E
	rule add pref 100 lookup local
	rule del pref 0
	E
    nft -f - <<-E
	table inet uplink {
	    chain postrouting {
	        type nat hook postrouting priority srcnat; policy accept;
	        ip saddr 169.254.100.0/22 oifname != "nm-*" masquerade
	    }
	    chain forward {
	        type filter hook forward priority filter; policy accept;
	        iifname "nm-*" oifname "nm-*" drop
	    }
	    chain input {
	        type filter hook input priority filter; policy accept;
	        iifname != "nm-*" accept
	        ct state established,related accept
	        meta l4proto icmp accept
	        drop
	    }
	}
	E
}

add() { # N PORT
    n=$1 port=$2 ns=f$1 link=nm-f$1 table=$((800 + $1))
    site=192.168.${port#eth}
    subnet=10.$((n / 250)).$((n % 250 + 1))
    outer=169.254.$((100 + n / 128)).$((n % 128 * 2)) inner=169.254.$((100 + n / 128)).$((n % 128 * 2 + 1))
    etc=$run/$n
    mkdir -p $etc/hosts $etc/dhcp-hosts
    echo "$subnet.9 printer" >$etc/hosts/static
    for i in 1 2; do
        echo "02:00:00:$((n / 100)):$((n % 100)):0$i,id:*,a$n-$i" >$etc/dhcp-hosts/a$i
    done
    echo "server=$site.1@uplink" >$etc/servers
    ip netns add $ns
    commands <<-E
	link add $link mtu 1500 type veth peer name uplink netns $ns
	address add $outer/31 dev $link
	link set $link up
	rule add pref 50 iif $link lookup $table
	route add local $outer dev $link table $table src $outer
	route add $site.0/24 dev $port table $table src $site.2
	route add default via $site.1 dev $port table $table
	route add unreachable default table $table metric 4278190080
	E
    echo 2 >/proc/sys/net/ipv4/conf/$link/rp_filter
    nsenter --net=/run/netns/$ns sh -ec "
        commands() { $commands; }
        echo 1 >/proc/sys/net/ipv4/ip_forward
        echo 1 >/proc/sys/net/ipv4/conf/uplink/accept_local
        echo 0 >/proc/sys/net/ipv4/conf/uplink/rp_filter
        commands <<-E
		link set lo up
		link add bn0 address 02:00:00:$((n / 100)):$((n % 100)):00 type bridge
		address add $subnet.1/24 dev bn0
		link set bn0 up
		address add $inner/31 dev uplink
		link set uplink up
		route add default via $outer dev uplink src $inner
		link add a1 type veth peer name eth0 address 02:00:00:$((n / 100)):$((n % 100)):01 netns a$n.1
		link set a1 master bn0 up
		link add a2 type veth peer name eth0 address 02:00:00:$((n / 100)):$((n % 100)):02 netns a$n.2
		link set a2 master bn0 up
	E
        nft -f - <<-E
		table inet nat {
		    chain postrouting {
		        type nat hook postrouting priority srcnat; policy accept;
		        oifname uplink ip saddr != $inner snat ip to $inner
		    }
		}
		table inet mss {
		    chain forward {
		        type filter hook forward priority mangle; policy accept;
		        tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
		    }
		}
	E
        dnsmasq --conf-file=/dev/null --user=root --pid-file=$etc/pid --log-facility=$etc/log --interface=bn0 \\
            --except-interface=lo --bind-interfaces --no-resolv --no-hosts --servers-file=$etc/servers \\
            --addn-hosts=$etc/hosts --domain-needed --bogus-priv --expand-hosts --domain=internal --local=/internal/ \\
            --cache-size=1000 --dhcp-range=$subnet.50,$subnet.150,255.255.255.0,1h --dhcp-hostsfile=$etc/dhcp-hosts \\
            --dhcp-leasefile=$etc/leases --dhcp-authoritative --no-ping --dhcp-option=option:mtu,1500"
    # The device's way in needs the inner end up, as its gateway is there.
    echo "route add $subnet.0/24 via $inner dev $link src $outer metric $((10000 + n))"
}

del() { # N
    kill "$(cat $run/$1/pid)"
    ip link del nm-f$1 # at once; with the namespace it would go some time later, in the background
    ip netns del f$1
    ip route flush table $((800 + $1))
    ip rule del pref 50 iif nm-f$1
    rm -r "${run:?}/$1"
}

case "$1" in
init) init ;;
add)
    for n in $(seq "$2" "$3"); do add "$n" "$4"; done >$run/routes
    commands <$run/routes
    ;;
del) for n in $(seq "$2" "$3"); do del "$n"; done ;;
*) exit 2 ;;
esac
