#!/bin/sh
# docker compose (v2, or docker-compose 1.29) with the lab's file and engine: compose.sh ps, compose.sh logs gw, …
set -eu
cd "$(dirname "$0")/.."
DOCKER_HOST=$(poc/engine.sh)
export DOCKER_HOST
# Where the engine's socket is, and where it pins the network namespaces of containers: where dockerd's are, or the lab's own.
LAB_SOCKET=${DOCKER_HOST#unix://}
case "$LAB_SOCKET" in
"$PWD"/*) export LAB_NETNS="$PWD/build/poc/engine/exec/netns" ;;
*://*)
    echo "the lab needs an engine on this machine, not at $DOCKER_HOST" >&2
    exit 1
    ;;
esac
export LAB_SOCKET
if docker compose version >/dev/null 2>&1; then
    set -- docker compose --file poc/compose.yaml --project-name netnsmgr-poc "$@"
elif command -v docker-compose >/dev/null; then
    set -- docker-compose --file poc/compose.yaml --project-name netnsmgr-poc "$@"
else
    echo 'docker compose is not installed.  On Debian, as root: packaging/debian-packages.sh --docker' >&2
    exit 1
fi
exec "$@"
