#!/bin/sh
# dhclient -6 calls this with what it was granted in the environment; LAB_HOST names the application.
# Routes come by router advertisement alone (RFC 8415 has none); the prefix of the link, too, hence /128.
case "$reason" in
PREINIT6) exec ip link set "$interface" up ;;
BOUND6 | RENEW6 | REBIND6 | REBOOT)
    [ -z "$new_ip6_address" ] || {
        lifetimes="valid_lft ${new_max_life:-forever} preferred_lft ${new_preferred_life:-forever}"
        ip -6 address replace "$new_ip6_address/128" dev "$interface" $lifetimes
    }
    ;;
DEPREF6) exec ip -6 address change "$cur_ip6_address/128" dev "$interface" preferred_lft 0 ;;
EXPIRE6 | FAIL6 | RELEASE6 | STOP6)
    [ -z "$old_ip6_address" ] || ip -6 address del "$old_ip6_address/128" dev "$interface"
    ;;
TIMEOUT) exit 1 ;;
esac

leases=/run/lab/leases
{
    env
    echo "dns=$new_dhcp6_name_servers"
    echo "domain=$new_dhcp6_domain_search"
} >"$leases/$LAB_HOST.$interface.6.new"
mv "$leases/$LAB_HOST.$interface.6.new" "$leases/$LAB_HOST.$interface.6"
. "$(dirname "$0")/resolv.sh"
echo "configured6 $interface $reason"
