#!/bin/bash
# Builds the image of all containers of the lab, with the engine that engine.sh says and wheels by .venv's pip.
set -euo pipefail
cd "$(dirname "$0")/.."
DOCKER_HOST=$(poc/engine.sh start)
export DOCKER_HOST
base=debian:bookworm-slim
work=build/poc
mkdir -p "$work"

# --- the base: Debian's own image, or what is in it and the packages besides, where no registry can be reached.
packages=$(packaging/debian-packages.sh --list | paste -sd,)
label=netnsmgr.packages
want=$(printf '%s' "$packages" | sha256sum | cut -c1-16)
prepared() { docker image inspect -f "{{index .Config.Labels \"$label\"}}" "$base" 2>/dev/null; }
has=$(prepared) || has=none
if [ "$has" = none ] && timeout 20 docker pull -q "$base" >/dev/null 2>&1; then
    has=
fi
if [ -n "$has" ] && [ "$has" != "$want" ]; then
    tar=$work/base-$want.tar
    if [ ! -f "$tar" ]; then
        command -v mmdebstrap >/dev/null || {
            echo "$base cannot be pulled, nor made here: install mmdebstrap (packaging/debian-packages.sh --docker)" >&2
            exit 1
        }
        echo "$base cannot be pulled: making it of Debian's packages"
        rm -f "$work"/base*.tar
        # As in Debian's own slim images, documentation is left out.
        mmdebstrap --quiet --variant=minbase --include="$packages" --dpkgopt=force-unsafe-io \
            --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
            --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$work/base.tar"
        mv "$work/base.tar" "$tar"
    fi
    docker import --change "LABEL $label=$want" "$tar" "$base" >/dev/null
    has=$want
fi

# --- the wheels.  The image's interpreter is bookworm's 3.11: others' wheels with machine code do not fit it, and are fetched.
pip=.venv/bin/pip
read -r fit names < <(.venv/bin/python -c '
import re, sys, tomllib
names = tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]
print(int(sys.version_info[:2] == (3, 11)), *(re.split("[^a-zA-Z0-9._-]", name)[0] for name in names))
')
sums=$(echo "$fit $names" | cat - constraints.txt | sha256sum | cut -c1-16)
wheels=$work/requirements
if [ ! -e "$wheels/.$sums" ]; then
    rm -rf "$wheels"
    mkdir -p "$wheels"
    printf '%s\n' $names >"$wheels/names"
    [ "$fit" = 0 ] || $pip wheel -qq -c constraints.txt -w "$wheels" -r "$wheels/names"
    touch "$wheels/.$sums"
fi
rm -rf "$work/netnsmgr"
$pip wheel -qq --no-deps --no-build-isolation -w "$work/netnsmgr" .

# --- the image.  A prepared base needs no network; the lab's own engine has none of its own to give.
options=(--build-arg "PIP_NO_INDEX=$fit")
if [ -n "$has" ]; then
    options+=(--network none)
elif ! docker network inspect bridge >/dev/null 2>&1; then
    options+=(--network host)
fi
tar --create --sort=name --mtime=@0 --owner=0 --group=0 --exclude=__pycache__ \
    packaging/debian-packages.sh constraints.txt poc tests/lab --directory "$work" requirements netnsmgr |
    docker build -q --file poc/Dockerfile --tag netnsmgr-poc "${options[@]}" - >"$work/build.log" 2>&1 || {
    cat "$work/build.log" >&2
    exit 1
}
