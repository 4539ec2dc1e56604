#!/bin/sh
# udhcpc calls this with what it was granted in the environment; LAB_HOST names the application.
# Each interface's routes get a metric of their own (100 + its number), so that an application with two
# interfaces has two default routes and can choose one by binding to the interface, as a real client does.
case "$1" in
deconfig) exec ip link set "$interface" up ;;
bound | renew) ;;
*) exit 0 ;;
esac

metric=$((100 + $(echo "0$interface" | tr -cd 0-9 | sed 's/^0*\(.\)/\1/')))
{
    [ -z "$mtu" ] || echo "link set $interface mtu $mtu"
    echo "address replace $ip/$mask dev $interface"
    if [ -n "$staticroutes" ]; then # RFC 3442: then the router option doesn't count
        set -- $staticroutes
        while [ $# -ge 2 ]; do
            if [ "$2" = 0.0.0.0 ]; then
                echo "route replace $1 dev $interface metric $metric"
            else
                echo "route replace $1 via $2 dev $interface onlink metric $metric"
            fi
            shift 2
        done
    else
        for gateway in $router; do
            echo "route replace default via $gateway dev $interface metric $metric"
            break
        done
    fi
} | ip -batch -

leases=/run/lab/leases
env >"$leases/$LAB_HOST.$interface.new"
mv "$leases/$LAB_HOST.$interface.new" "$leases/$LAB_HOST.$interface"
. "$(dirname "$0")/resolv.sh"
echo "configured $interface $ip"
