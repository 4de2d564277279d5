#!/bin/sh
# Writes stand-ins for the CUDA libraries: shared objects of the right names that define what the CUDA build
# refers to and answer every call with 100, "no device". Enough to link with, and to start the program on
# a machine without a GPU.
#
# Usage: cuda-stubs.sh RELEASE FOLDER
#   RELEASE  where `cargo build --release --features cuda --lib` left its results: target/release
#   FOLDER   where to write
set -eu
release=$1
folder=$2
mkdir -p "$folder"

symbols=$(
    find "$release/deps" "$release/build" \( -name 'libcudarc-*.rlib' -o -name libmoe.a \) -print0 |
        xargs -0 -n 1 nm --undefined-only --format=posix 2>/dev/null |
        cut -d ' ' -f 1 |
        grep -E '^(cu[A-Z]|cuda[A-Z]|__cuda[A-Z]|cublas|cudnn|curand|nvrtc)' |
        sort -u
)

# NAME, version of the file that programs ask for, which symbols
stub() {
    echo "$symbols" | grep -E "$3" | sed 's/.*/int &(void) { return 100; }/' |
        cc -shared -w -x c - -Wl,-soname,"lib$1.so.$2" -o "$folder/lib$1.so.$2"
    ln -sf "lib$1.so.$2" "$folder/lib$1.so"
}
stub cuda 1 '^cu[A-Z]'
stub cudart 13 '^(__)?cuda[A-Z]'
stub cublasLt 13 '^cublasLt'
stub cublas 13 '^cublas([^L]|L[^t])'
stub cudnn 9 '^cudnn'
stub curand 10 '^curand'
stub nvrtc 13 '^nvrtc'
