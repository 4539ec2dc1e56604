#!/bin/sh
# The docker engine of the lab: the one that is there, else one of the lab's own below build/poc/engine.
#
#   engine.sh         print what DOCKER_HOST is to be, after starting an engine if there is none (as root)
#   engine.sh stop    end the lab's own engine, and remove what it had; any other one is left alone
#
# An own engine has its data, state and socket in that directory, makes no bridge and no rules of iptables, and sees its
# mounts in a mount namespace of its own: the machine it runs on is not changed.
set -eu
cd "$(dirname "$0")/.."
own=$PWD/build/poc/engine

answers() { DOCKER_HOST=$1 timeout 5 docker version >/dev/null 2>&1; }

running() { [ -e "$own/pid" ] && kill -0 "$(cat "$own/pid")" 2>/dev/null; }

stop() {
    if running; then
        pid=$(cat "$own/pid")
        kill "$pid"
        tail --pid="$pid" -f /dev/null
    fi
    # Cut off by a crash, it may have left mounts in its namespace only: outside these are plain directories.
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
    fi
done
if [ -n "${DOCKER_HOST:-}" ]; then
    echo "no docker engine answers at DOCKER_HOST=$DOCKER_HOST" >&2
    exit 1
fi
if [ -S /var/run/docker.sock ] && [ "$(id -u)" != 0 ]; then
    echo 'the docker engine does not answer: are you in the group docker?' >&2
    exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v dockerd >/dev/null; then
    echo 'no docker engine runs.  Start it (systemctl start docker); or, as root and with dockerd installed, the lab' >&2
    echo 'starts one of its own.' >&2
    exit 1
fi
# Paths of sockets have 107 characters at most (unix(7)).
if [ ${#own} -gt 85 ]; then
    echo "the path $own is too long for an engine's socket: clone to a shorter one, or start docker" >&2
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
