#!/bin/sh
# Takes the lab down: containers, image, what hosts wrote, and the engine if it is the lab's own.  The results of tests stay.
set -eu
cd "$(dirname "$0")/.."
files=build/poc/hosts
if host=$(poc/engine.sh 2>/dev/null); then
    export DOCKER_HOST="$host"
    if [ -d "$files" ] && [ "$(id -u)" != 0 ] && docker image inspect netnsmgr-poc >/dev/null 2>&1; then
        # Written by root, there: so that is who can delete it.
        docker run --rm --network none --volume "$PWD/$files:/hosts" netnsmgr-poc find /hosts -mindepth 2 -delete
    fi
    poc/compose.sh down --remove-orphans
    for image in netnsmgr-poc debian:bookworm-slim; do
        # The base only if image.sh has made it: that one has a label of ours.
        label=$(docker image inspect -f '{{index .Config.Labels "netnsmgr.packages"}}' "$image" 2>/dev/null) || continue
        [ -z "$label" ] && [ "$image" != netnsmgr-poc ] || docker image rm "$image" >/dev/null
    done
fi
poc/engine.sh stop
rm -rf "$files"
