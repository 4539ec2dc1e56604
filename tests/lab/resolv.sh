# Sourced: the resolv.conf of an application ($LAB_HOST) of all that was granted to it.
# Written in place: who runs in the namespace already has this very file mounted.
for lease in "$leases/$LAB_HOST".*; do
    sed -n 's/^dns=//p' "$lease" | tr ' ' '\n' | sed -n 's/^./nameserver &/p'
    sed -n 's/^domain=\(..*\)/search \1/p' "$lease"
done >"${LAB_RESOLV:-/etc/netns/$LAB_HOST/resolv.conf}"
