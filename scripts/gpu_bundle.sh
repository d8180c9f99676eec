#!/usr/bin/env bash
# Makes what travels to a machine with a GPU and nothing else: one archive with the trainer for CUDA, the scripts and
# benchmarks of scripts/gpu_report.sh, and the data they train on. Such a machine has no compiler, no git and no network,
# and takes little: 64 MiB with this repository itself, which leaves 24 MiB and room for the repository to grow.
#
#     make gpu-bundle                   or  scripts/gpu_bundle.sh target/gpu-bundle/prope-gpu.tar.xz
#     tar -xf prope-gpu.tar.xz && prope-gpu/scripts/gpu_report.sh FOLDER      there
#
#   CARGO                cargo (default: cargo)
#   CUDARC_CUDA_VERSION  the CUDA whose driver the trainer asks for (default: 13000, CUDA 13.0)
#   LIBCLANG_PATH        a folder with libclang.so; from PyPI if unset and the system has none
#   TRAINER              a trainer that is built already
set -euo pipefail
cd "$(dirname "$0")/.."

readonly LIMIT=$((24 * 1024 * 1024))

fail() {
    printf 'gpu_bundle: %s\n' "$@" >&2
    exit 1
}

# The database of tuning results is built with bindgen, which loads libclang and needs a compiler's own headers.
find_libclang() {
    ldconfig -p 2>/dev/null | grep -q 'libclang[-.].*so' && return
    local prefix=${XDG_CACHE_HOME:-$HOME/.cache}/prope/libclang
    if [[ ! -d $prefix ]]; then
        rm -rf "$prefix.partial"
        PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
            --target "$prefix.partial" libclang || fail "pip could not install libclang (Debian: apt-get install libclang-dev)"
        mv "$prefix.partial" "$prefix"
    fi
    export LIBCLANG_PATH=$prefix/clang/native
    export BINDGEN_EXTRA_CLANG_ARGS="-I$(cc -print-file-name=include)"
}

# LLVM without what a trainer for CUDA never runs. Prints the data folder in which the build finds it.
slim_llvm() {
    local full slim
    full=$(scripts/llvm.sh | sed -n 's/.* is in place: \([^ ]*\).*/\1/p')
    [[ -n $full ]] || fail "scripts/llvm.sh does not say where LLVM is"
    slim=$folder/data/tracel/$(basename "$full")
    if [[ ! -e $slim/.tracel-llvm-installed ]]; then
        rm -rf "$slim"
        mkdir -p "$slim"
        # Copied whole: llvm-config says where it lies itself, and a link would lead elsewhere.
        cp -r "$full/." "$slim"
        rm "$slim/.tracel-llvm-installed"
        scripts/slim_llvm.py "$slim/lib" >&2
        touch "$slim/.tracel-llvm-installed"
    fi
    echo "$folder/data"
}

# Identical functions are kept once, and at a fixed address no table of relocations is needed.
build() {
    [[ -n ${LIBCLANG_PATH:-} ]] || find_libclang
    local data
    data=$(slim_llvm)
    XDG_DATA_HOME=$data CUDARC_CUDA_VERSION=${CUDARC_CUDA_VERSION:-13000} "${CARGO:-cargo}" rustc -p trainer --bin trainer \
        --profile bundle --no-default-features --features cuda,autotune,fusion,autotune-cache --target-dir "$folder" \
        -- -C link-arg=-Wl,--icf=all -C relocation-model=static
    trainer=$folder/bundle/trainer
}

out=$(realpath -m "${1:-${CARGO_TARGET_DIR:-target}/gpu-bundle/prope-gpu.tar.xz}")
folder=$(dirname "$out")
mkdir -p "$folder"
trainer=${TRAINER:-}
[[ -n $trainer ]] || build

bundle=$folder/prope-gpu
rm -rf "$bundle"
mkdir -p "$bundle"/{benchmarks,configs,datasets,scripts}
cp "$trainer" "$bundle/trainer"
cp LICENSE-* "$bundle"
cp scripts/{gpu_report,gpu_parity,anatomy_parity}.sh "$bundle/scripts"
cp -r benchmarks/{*.py,shapes.toml,peer} "$bundle/benchmarks"
find "$bundle" -name __pycache__ -prune -exec rm -r {} +
cp configs/micro.toml "$bundle/configs"
# A book for each part of the data: a comparison with the CPU needs no more.
python3 - datasets/books "$bundle/datasets/books" <<'PYTHON'
import json, pathlib, shutil, sys

whole, part = (pathlib.Path(folder) for folder in sys.argv[1:])
manifest = json.loads((whole / "manifest.json").read_text(encoding="utf-8"))
by_size = sorted(manifest["documents"], key=lambda document: document["bytes"])
smallest = {document["split"]: document for document in reversed(by_size)}
manifest["documents"] = list(smallest.values())
part.mkdir()
for document in smallest.values():
    shutil.copy(whole / document["file"], part)
(part / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
PYTHON
commit=$(git rev-parse HEAD)
[[ -z $(git status --porcelain --untracked-files=no) ]] || commit+=-dirty
echo "$commit" >"$bundle/COMMIT"

tar -C "$folder" --sort=name --owner=0 --group=0 -cf - prope-gpu | xz --x86 --lzma2=preset=9e,dict=128MiB >"$out.partial"
mv "$out.partial" "$out"
size=$(stat -c %s "$out")
ldd "$bundle/trainer"
awk -v size="$size" -v trainer="$(stat -c %s "$bundle/trainer")" -v out="$out" 'BEGIN {
    printf "gpu_bundle: %s: %.1f MiB; the trainer unpacked: %.1f MiB\n", out, size / 1048576, trainer / 1048576 }'
((size <= LIMIT)) || fail "that is more than $((LIMIT / 1048576)) MiB: it would not be taken"
