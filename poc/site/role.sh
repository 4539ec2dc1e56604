# Sourced by every role.  A role is a container's command (poc/compose.yaml), or runs in a network namespace (poc/namespaces.py);
# it says "listening" on its standard output when it serves, and stays.
#   LAB_HOST  which host this is            LAB  the directory for its files
# Addresses and routes are not its affair, but those of poc/wires, and come whenever they come.
set -eu
LAB_HOST=${LAB_HOST:-$(hostname)}
LAB=${LAB:-/run/lab}
tools=$(dirname "$0")/../../tests/lab
mkdir -p "$LAB/log"
ip link set lo up

# setting NAME VALUE: a sysctl; that of a container may be set already, and not ours to set.
setting() {
    [ "$(cat "/proc/sys/$1")" = "$2" ] || echo "$2" >"/proc/sys/$1"
}

# secret CLOUD: the key that the device and a cloud have in common.
secret() {
    printf 'the secret of %s' "$1"
}
