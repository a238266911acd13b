#!/usr/bin/env bash
# Builds an image where no Docker daemon runs, with buildah, and predicts in it as `docker run` would.
#
#   docker/check.sh BUNDLE IN OUT
#
# Needs root on Debian, and buildah and debootstrap (apt-get install). The base image is made here, from Debian's own
# packages. The prediction runs as the image's user, with its environment and entry point, in namespaces of its own: the
# root file system read-only, no network, /tmp in memory, BUNDLE and IN read-only.
#
# Environment: TARGET (predict) and TORCH_INDEX as for `docker build`; PIP_FIND_LINKS, a folder of wheels pip may use,
# and PIP_CERT, the certificates it trusts.
set -euo pipefail
bundle=$(realpath "$1") in=$(realpath "$2") out=$(realpath "$3")
cd "$(dirname "$0")/.."
target=${TARGET:-predict}
image=localhost/monai-landmarks:$target
base=localhost/debian:bookworm-slim
work=$(mktemp --directory)
export BUILDAH_ISOLATION=chroot
container=

clean() {
    if [ -n "$container" ]; then buildah umount "$container" && buildah rm "$container"; fi >/dev/null
    rm -rf --one-file-system "$work"
}
trap clean EXIT

make_base() {
    debootstrap --variant=minbase bookworm "$work/base" >"$work/debootstrap.log" || { cat "$work/debootstrap.log"; exit 1; }
    if mountpoint --quiet "$work/base/proc"; then umount "$work/base/proc"; fi
    tar --create --directory "$work/base" . >"$work/base.tar"
    local made
    made=$(buildah from scratch)
    buildah add --quiet "$made" "$work/base.tar" / >/dev/null
    buildah commit --quiet --rm "$made" "$base" >/dev/null
    rm -rf --one-file-system "$work/base" "$work/base.tar"
}

build() {
    local options=(--no-cache --force-rm --pull-never --build-arg "BASE=$base" --target "$target" --tag "$image")
    if [ -n "${TORCH_INDEX:-}" ]; then options+=(--build-arg "TORCH_INDEX=$TORCH_INDEX"); fi
    # pip's settings of this machine, for the build alone.
    echo '[global]' >"$work/pip.conf"
    if [ -n "${PIP_FIND_LINKS:-}" ]; then
        echo 'find-links = /mnt/find-links' >>"$work/pip.conf"
        options+=(--volume "$PIP_FIND_LINKS:/mnt/find-links:ro")
    fi
    if [ -n "${PIP_CERT:-}" ]; then
        echo 'cert = /etc/pip.pem' >>"$work/pip.conf"
        options+=(--volume "$(realpath "$PIP_CERT"):/etc/pip.pem:ro")
    fi
    options+=(--volume "$work/pip.conf:/etc/pip.conf:ro")
    buildah build "${options[@]}" --file docker/Dockerfile .
}

# Runs in new mount, network, process and IPC namespaces; $1 is the image's root, $2 the user, the rest the command.
inside() {
    set -euo pipefail
    local root=$1 user=$2
    shift 2
    mkdir -p /mnt/image
    mount --bind "$root" /mnt/image
    mkdir -p /mnt/image/{bundle,in,out}
    mount --bind --options ro "$BUNDLE" /mnt/image/bundle && mount --options remount,bind,ro /mnt/image/bundle
    mount --bind --options ro "$IN" /mnt/image/in && mount --options remount,bind,ro /mnt/image/in
    mount --bind "$OUT" /mnt/image/out
    mount --types tmpfs tmpfs /mnt/image/tmp
    mount --types proc proc /mnt/image/proc
    mount --rbind /dev /mnt/image/dev
    mount --options remount,bind,ro /mnt/image
    echo "root file system: $(findmnt --noheadings --output OPTIONS --target /mnt/image | cut --delimiter , --fields 1)," \
        "network devices up: $(ip -brief link show up | wc --lines), user: $user"
    exec chroot --userspec="$user" /mnt/image "$@"
}

predict() {
    container=$(buildah from --pull-never "$image")
    local root user
    root=$(buildah mount "$container")
    user=$(id_of "$root" "$(config User)")
    local variables command
    mapfile -t variables < <(config Env)
    mapfile -t command < <(config Entrypoint; config Cmd)
    chown "$user" "$out"
    BUNDLE=$bundle IN=$in OUT=$out unshare --mount --net --pid --ipc --fork --kill-child \
        bash -c "$(declare -f inside); inside \"\$@\"" inside "$root" "$user" \
        env --ignore-environment --chdir=/tmp "${variables[@]}" "${command[@]}"
}

# An entry of the image's configuration, a line each.
config() {
    buildah inspect --type image "$image" | python3 -c '
import json, sys
value = json.load(sys.stdin)["OCIv1"]["config"].get(sys.argv[1]) or []
print(value if isinstance(value, str) else "\n".join(value))' "$1"
}

# uid:gid of a user of the image.
id_of() {
    awk -F : -v name="$2" '$1 == name { print $3 ":" $4 }' "$1/etc/passwd"
}

buildah inspect --type image "$base" >/dev/null 2>&1 || make_base
build
if [ "$target" = predict ]; then predict; fi
