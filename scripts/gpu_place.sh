#!/usr/bin/env bash
# Rehearses a GPU's first minutes from the bundle, where a GPU would be: in a Debian of its own without cargo, git, a
# compiler, this repository and a network. Prints what the trainer links to, then takes every step of both calls on the CPU.
#
#     scripts/gpu_place.sh [target/gpu-bundle/prope-gpu.tar.xz]
#
# Needs root and debootstrap (Debian: apt-get install debootstrap); without them its status is 77. Environment:
#   PLACE           where that Debian is kept, 300 MB (default: ~/.cache/prope/bookworm)
#   MIRROR          of Debian, where debootstrap's own is out of reach
#   SITE_PACKAGES   packages of a Python 3.11 with PyTorch; without it ours trains alone
#   ARGUMENTS       of scripts/gpu_report.sh, e.g. --short
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "gpu_place: $1" >&2
    exit 77
}

bundle=$(realpath -e "${1:-${CARGO_TARGET_DIR:-target}/gpu-bundle/prope-gpu.tar.xz}")
place=${PLACE:-${XDG_CACHE_HOME:-$HOME/.cache}/prope/bookworm}
[[ $(id -u) == 0 ]] || skip "only root can enter another root folder"
command -v debootstrap >/dev/null || skip "debootstrap is missing (Debian: apt-get install debootstrap)"

# What a stock Ubuntu 24.04 with Python has, of an older release: a newer C library would hide what is missing.
if [[ ! -e $place/etc/debian_version ]]; then
    rm -rf "$place.partial"
    mkdir -p "$(dirname "$place")"
    debootstrap --variant=minbase --include=python3,libstdc++6,xz-utils bookworm "$place.partial" ${MIRROR:+"$MIRROR"} >/dev/null
    mv "$place.partial" "$place"
fi
rm -rf "$place/work"
mkdir -p "$place/work" "$place/site-packages"
tar -C "$place/work" -xf "$bundle"

# Mounts, processes and network of its own; all of it is gone when the command ends.
inside() {
    unshare --mount --pid --fork --net -- bash -euc '
        place=$1 && shift
        mount -t proc proc "$place/proc"
        mount --rbind /dev "$place/dev"
        [[ -z ${SITE_PACKAGES:-} ]] || mount --bind "$SITE_PACKAGES" "$place/site-packages"
        exec chroot "$place" /usr/bin/env -i HOME=/root PATH=/usr/bin:/bin PYTHONPATH=/site-packages PYTHON=python3 "$@"
    ' _ "$place" "$@"
}

inside bash -c '
    for command in cargo rustc git cc; do ! command -v $command || { echo "$command is there" >&2; exit 1; }; done
    cat /etc/os-release | head -n 1
    ldd /work/prope-gpu/trainer'
report=/work/prope-gpu/scripts/gpu_report.sh
read -ra arguments <<<"${ARGUMENTS:-}"
inside "$report" --rehearse "${arguments[@]}" /work/first
inside "$report" --rehearse --call 2 "${arguments[@]}" /work/second
echo "gpu_place: passed; what was reported is in $place/work"
