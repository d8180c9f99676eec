#!/usr/bin/env bash
# Puts what a CUDA build needs of a CUDA toolkit on a machine without one: `ptxas` and libdevice, from PyPI.
#
# Burn's CUDA backend links libdevice into kernels that call `exp`, `sin` and the like, and looks for
# nvvm/libdevice/libdevice.10.bc under CUDA_PATH. The stand-in for libcuda (docs/gpu.md) assembles kernels
# with bin/ptxas. The version is that of the driver the stand-in answers as, CUDA 13.0: a newer ptxas would
# accept PTX that such a driver does not.
#
#   CUDA_PREFIX   where the wheels are unpacked, about 250 MB (default: ~/.cache/prope/cuda-13.0.88)
#   PYTHON        the interpreter whose pip is used (default: python3)
#
# Prints the folder to use as CUDA_PATH, and nothing else, to standard output:
#
#   export CUDA_PATH=$(scripts/cuda_toolkit.sh)
#
# Does nothing more where the folder is in place. Remove it to start over.
set -euo pipefail

readonly VERSION=13.0.88
# `ptxas` is in the first, libdevice in the second.
readonly WHEELS=("nvidia-cuda-nvcc==$VERSION" "nvidia-nvvm==$VERSION")

prefix=${CUDA_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/prope/cuda-$VERSION}
root=$prefix/nvidia/cu13
python=${PYTHON:-python3}

say() {
    printf 'cuda_toolkit: %s\n' "$@" >&2
}

fail() {
    say "$@"
    exit 1
}

is_in_place() {
    [[ -f $root/nvvm/libdevice/libdevice.10.bc ]] && "$root/bin/ptxas" --version >/dev/null 2>&1
}

if ! is_in_place; then
    [[ $(uname -s) == Linux ]] || fail "this script knows Linux only"
    "$python" -m pip --version >/dev/null 2>&1 ||
        fail "'$python -m pip' does not work, and the wheels come through pip" \
            "install pip (Debian: apt-get install python3-pip), or name another interpreter with PYTHON=..."
    say "installing ${WHEELS[*]} into $prefix"
    # Into a folder beside it first: an interrupted download must not look like an installation.
    rm -rf "$prefix.partial"
    mkdir -p "$prefix.partial"
    # No dependencies: headers and a runtime that nothing here compiles with.
    PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --only-binary=:all: --target "$prefix.partial" "${WHEELS[@]}" >&2 ||
        fail "pip could not install ${WHEELS[*]}; are there wheels for this machine ($(uname -m))?"
    rm -rf "$prefix"
    mv "$prefix.partial" "$prefix"
    # pip does not always keep the permission to execute.
    chmod +x "$root"/bin/ptxas
    is_in_place || fail "$root lacks bin/ptxas or libdevice: the wheels are laid out differently"
fi
say "CUDA $VERSION (ptxas and libdevice) is in place"
echo "$root"
