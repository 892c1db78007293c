#!/usr/bin/env bash
# Install below a temporary prefix; then build users' programs outside of the tree, with pkg-config
# and with find_package, against the shared and the static library, and run what needs no stream.
#
#   test_installed.sh CMAKE        WEIR_BUILD_DIR names the build folder
set -euo pipefail
cmake=$1
here=$(cd "$(dirname "$0")" && pwd)
repository=$here/../..
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
prefix=$temporary/prefix

fail() {
    echo "FAILED: $*"
    exit 1
}

"$cmake" --install "$WEIR_BUILD_DIR" --prefix "$prefix" >"$temporary/install.log"

# A moved tree works as well.
mv "$prefix" "$temporary/moved"
prefix=$temporary/moved
library=$(dirname "$(find "$prefix" -name libweir.a)")
export PKG_CONFIG_PATH=$library/pkgconfig
export LD_LIBRARY_PATH=$library
cd "$temporary"

# Who needs it loads it.
! readelf -d "$library/libweir.so" | grep NEEDED | grep curl || fail "libweir.so brings libcurl"

# libraries_of SOURCE: those that the program uses itself, beside ours.
libraries_of() { ! grep -q '^#include <lmdb\.h>' "$1" || echo lmdb; }

# uses_simulator SOURCE: it is linked with libweir_sim.a, and so with libweir.a in any case.
uses_simulator() { grep -q '^#include <weir/sim\.h>' "$1"; }

# build_with_pkg_config PROGRAM SOURCE: shared as PROGRAM, static as PROGRAM-static.
build_with_pkg_config() {
    local program=$1 source=$2 own
    own=$(libraries_of "$source")
    if uses_simulator "$source"; then
        # shellcheck disable=SC2046
        "${CC:-cc}" -Wall -Wextra -Werror -o "$program" "$source" \
            $(pkg-config --cflags --libs weir-sim)
        return
    fi
    # shellcheck disable=SC2046 # One word for each option.
    "${CC:-cc}" -Wall -Wextra -Werror -o "$program" "$source" \
        $(pkg-config --cflags --libs weir) ${own:+"-l$own"}
    # shellcheck disable=SC2046
    "${CC:-cc}" -Wall -Wextra -Werror -o "$program-static" "$source" \
        $(pkg-config --static --cflags --libs weir | sed 's/-lweir\b/-l:libweir.a/') \
        ${own:+"-l$own"}
    readelf -d "$program" | grep -q 'NEEDED.*libweir\.so' || fail "$program: no libweir.so"
    ! readelf -d "$program-static" | grep -q 'NEEDED.*libweir' || fail "$program: not static"
}

# build_with_cmake SOURCE
build_with_cmake() {
    "$cmake" -G Ninja -S "$here/consumer" -B build -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_C_COMPILER="${CC:-cc}" -DCONSUMER_SOURCE="$1" \
        -DCONSUMER_SIMULATOR="$(uses_simulator "$1" && echo ON)" \
        -DCONSUMER_LIBRARIES="$(libraries_of "$1")" >cmake.log ||
        { cat cmake.log; fail "find_package"; }
    "$cmake" --build build >cmake.log || { cat cmake.log; fail "a build with find_package"; }
}

build_with_pkg_config version "$here/consumer/version.c"
build_with_cmake "$here/consumer/version.c"
for program in ./version ./version-static build/with_weir build/with_weir_static; do
    [ "$($program)" = "weir $(pkg-config --modversion weir)" ] || fail "$program"
done

# Each source of an example is a program.
for source in "$repository"/examples/*/*.c; do
    build_with_pkg_config "$(basename "$(dirname "$source")")-$(basename "$source" .c)" "$source"
    build_with_cmake "$source"
done

if [ -x "$WEIR_BUILD_DIR/weir" ]; then
    env -u LD_LIBRARY_PATH "$prefix/bin/weir" --help >help.txt || fail "weir --help"
fi
for page in "$repository"/docs/man/*.scd; do
    [ -e "$page" ] || continue
    page=$(basename "$page" .scd)
    [ -e "$prefix/share/man/man${page##*.}/$page" ] || fail "$page is not installed"
done
if [ -e "$repository/cli/completion/weir.bash" ]; then
    [ -e "$prefix/share/bash-completion/completions/weir" ] || fail "completion for bash"
fi
echo "installed: $(find "$prefix" -type f | wc -l) files"
