#!/bin/sh
# The docker engine of the lab: the one that is there, else one of the lab's own below build/poc/engine.
#
#   engine.sh         print what DOCKER_HOST is to be; it fails where no engine answers
#   engine.sh start   the same, after starting an engine if there is none (as root)
#   engine.sh stop    end the lab's own engine, and remove what it had; any other one is left alone
#
# An own engine has its data, state and socket in that directory, makes no bridge and no rules of iptables, and sees its
# mounts in a mount namespace of its own: the machine it runs on is not changed.
set -eu
cd "$(dirname "$0")/.."
own=$PWD/build/poc/engine

answers() { DOCKER_HOST=$1 timeout 5 docker version >/dev/null 2>&1; }

stop() {
    if [ -e "$own/pid" ] && kill "$(cat "$own/pid")" 2>/dev/null; then
        tail --pid="$(cat "$own/pid")" -f /dev/null
    fi
    # Were it cut off by a crash: its mounts went with its mount namespace, and these are plain directories.
    rm -rf "$own"
}

if [ "${1:-}" = stop ]; then
    stop
    exit 0
fi
if ! command -v docker >/dev/null; then
    echo 'docker is not installed.  On Debian, as root: packaging/debian-packages.sh --docker' >&2
    echo '(docker.io, docker-compose, mmdebstrap); elsewhere see https://docs.docker.com/engine/install/.' >&2
    exit 1
fi
for host in ${DOCKER_HOST:+"$DOCKER_HOST"} unix:///var/run/docker.sock "unix://$own/docker.sock"; do
    if answers "$host"; then
        echo "$host"
        exit 0
    elif [ "$host" = "${DOCKER_HOST:-}" ] && [ "$host" != "unix://$own/docker.sock" ]; then
        echo "no docker engine answers at DOCKER_HOST=$host" >&2
        exit 1
    fi
done
if [ "${1:-}" != start ]; then
    echo 'no docker engine runs: make poc-up' >&2
    exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v dockerd >/dev/null; then
    echo 'no docker engine answers you.  Start it (systemctl start docker), be in the group docker; or be root where dockerd' >&2
    echo 'is installed: then the lab starts one of its own.' >&2
    exit 1
fi
# The path of a socket has 107 characters at most (unix(7)), and the engine has some below this one.
if [ ${#own} -gt 85 ]; then
    echo "$own is too long for an engine's sockets: clone to a shorter path, or start docker" >&2
    exit 1
fi
stop
mkdir -p "$own"
# In a session of its own, so that Ctrl-C at a terminal does not reach it; its mounts propagate into containers.
setsid unshare --mount --propagation shared dockerd --data-root "$own/data" --exec-root "$own/exec" --pidfile "$own/pid" \
    --host "unix://$own/docker.sock" --bridge none --iptables=false --ip6tables=false --ip-forward=false \
    --log-level warn >"$own/log" 2>&1 </dev/null &
begun=$!
tries=0
until answers "unix://$own/docker.sock"; do
    tries=$((tries + 1))
    if ! kill -0 "$begun" 2>/dev/null || [ "$tries" -gt 150 ]; then
        echo "the docker engine of the lab does not start:" >&2
        tail -n 20 "$own/log" >&2
        exit 1
    fi
    sleep 0.2
done
echo "unix://$own/docker.sock"
