#!/usr/bin/env bash
# Everything that needs a GPU, in some four minutes: who is there, the tests that are marked gpu, the figures, and a
# small program under compute-sanitizer. A step that fails does not stop the next one. It installs nothing.
#   bash tests/gpu/hardware/run.sh OUT [--small]    OUT: a folder for what each step prints, figures.json, summary.txt
#   PYTHON   a Python that has PyCUDA, numpy, pytest and what actorpar depends on, itself or by PYTHONPATH; python3
#   IMAGE    the kernels of bed.py, compiled beforehand, where there is no nvcc
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
out=$(mkdir -p "${1:?the folder for what comes out}" && cd "$1" && pwd)
python=${PYTHON:-python3}
small=${2:-}
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export XDG_CACHE_HOME="$out/cache"
: >"$out/summary.txt"
failed=0

step() { # name, seconds, command…
    local name=$1 limit=$2 begun=$SECONDS status
    shift 2
    timeout --kill-after=5 "$limit" "$@" >"$out/$name.txt" 2>&1 </dev/null
    status=$?
    [ "$status" = 0 ] || failed=1
    echo "$name: $status after $((SECONDS - begun)) s" | tee -a "$out/summary.txt"
}

# The part in C, where it was not built with the package.
completion() {
    local file
    file=actorpar/gpu/_completion$("$python" -c 'import importlib.machinery as m; print(m.EXTENSION_SUFFIXES[0])')
    compgen -G 'actorpar/gpu/_completion*.so' >/dev/null || gcc -O2 -shared -fPIC -o "$file" actorpar/gpu/completion.c
}

# Compiled once, and said so early if it does not compile.
kernels() {
    "$python" -c 'from tests.gpu.hardware.bed import CUDA; print(CUDA)' >"$out/kernels.cu" &&
        if [ -n "${IMAGE:-}" ]; then cp "$IMAGE" "$out/kernels.fatbin"; else
            nvcc -fatbin -arch=native -o "$out/kernels.fatbin" "$out/kernels.cu"
        fi
}
export -f completion kernels
export python out

step machine 20 nvidia-smi -q
step completion 30 bash -c completion
step doctor 60 "$python" -m actorpar doctor
step kernels 60 bash -c kernels
step figures 150 "$python" -m tests.gpu.hardware --out "$out/figures.json" --image "$out/kernels.fatbin" $small
step tests 120 "$python" -m pytest -p no:cacheprovider -q -m gpu tests/gpu
step sanitizer 60 compute-sanitizer --error-exitcode 9 "$python" -m tests.gpu.hardware.sanitized "$out/kernels.fatbin"
tail -n 60 "$out/figures.txt"
cat "$out/summary.txt"
exit "$failed"
