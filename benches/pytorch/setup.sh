#!/usr/bin/env bash
# Puts PyTorch into a virtual environment, for benches/compare.py.
#
#   setup.sh VENV [REQUIREMENT]    REQUIREMENT: a version or a wheel; default torch==2.15.0
#
# PyTorch's wheel for Linux is built for CUDA and wants gigabytes of CUDA libraries, if only to be imported.
# On a machine without a GPU they would never be called, so small libraries stand in for them: they define the
# symbols the wheel links to, and answer every call with an error. Needs gcc and binutils.
# On a machine with a GPU, `pip install torch` in any environment is all that it takes.
set -euo pipefail

venv=$1
requirement=${2:-torch==2.15.0}

python3 -m venv "$venv"
"$venv/bin/pip" install --quiet numpy sympy typing_extensions filelock jinja2 networkx fsspec setuptools pyyaml
"$venv/bin/pip" install --quiet --no-deps "$requirement"

torch=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')/torch/lib
stubs=$venv/lib/cuda-stubs
rm -rf "$stubs"
mkdir -p "$stubs"

needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# What some library of the wheel needs and neither the wheel nor the system has.
missing=$(for library in "$torch"/*.so*; do needed "$library"; done | sort -u | while read -r name; do
    [ -e "$torch/$name" ] || ldconfig -p | grep -q "^\s*${name//./\\.} " || echo "$name"
done)

# NAME, or NAME@VERSION where the linker asks for a version, of every symbol that is undefined in the wheel
# and defined neither there nor in the system's libraries that the wheel needs.
symbols() {
    local system
    system=$(for library in "$torch"/*.so*; do ldd "$library"; done | awk '$3 ~ /^\// { print $3 }' | sort -u)
    # shellcheck disable=SC2086
    nm -D --defined-only $system "$torch"/*.so* | awk 'NF == 3 { sub(/@.*/, "", $3); print $3 }' | sort -u > "$stubs/defined"
    nm -D --undefined-only "$torch"/*.so* | awk '$1 == "U" { print $2 }' | sort -u |
        awk -v defined="$stubs/defined" '
            BEGIN { while ((getline line < defined) > 0) has[line] = 1 }
            { name = $1; sub(/@.*/, "", name); if (!(name in has)) print $1 }'
}

# VERSION LIBRARY: which library defines a version of symbols.
readelf -V "$torch"/*.so* | awk '
    { for (at = 1; at < NF; at++) { if ($at == "File:") file = $(at + 1); if ($at == "Name:") print $(at + 1), file } }
' | sort -u > "$stubs/versions"

symbols > "$stubs/undefined"
first=$(echo "$missing" | head -n 1)
for name in $missing; do
    # Unversioned symbols may come from any library: the first stub has them all.
    awk -v library="$name" -v first="$first" -v versions="$stubs/versions" '
        BEGIN { while ((getline line < versions) > 0) { split(line, pair, " "); file[pair[1]] = pair[2] } }
        { split($1, part, "@") }
        (part[2] == "" ? first : file[part[2]]) == library { print part[1] }' "$stubs/undefined" > "$stubs/names"
    version=$(awk -v library="$name" '$2 == library { print $1; exit }' "$stubs/versions")
    {
        awk '/String|Name$/ { print "const char *" $1 "(void) { return \"no GPU\"; }"; next }
             { print "int " $1 "(void) { return 100; }" }' "$stubs/names"
        echo "int stub_of_$(echo "$name" | tr -c '[:alnum:]\n' _);"
    } > "$stubs/stub.c"
    echo "${version:-$name} { global: *; };" > "$stubs/stub.map"
    gcc -shared -fPIC -w -o "$stubs/$name" -Wl,-soname,"$name" -Wl,--version-script,"$stubs/stub.map" "$stubs/stub.c"
done
rm -f "$stubs"/{defined,undefined,versions,names,stub.c,stub.map}

LD_LIBRARY_PATH=$stubs "$venv/bin/python" -c 'import torch; print("PyTorch", torch.__version__, "runs; CUDA:", torch.cuda.is_available())'
