# shellcheck shell=bash
# What the scripts share; each sources it.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=$(nproc 2>/dev/null || echo 2)

# packages GROUP...: the names that scripts/packages.txt lists for the groups.
packages() {
    local group
    for group in "$@"; do
        sed -n "s/^$group //p" "$root/scripts/packages.txt"
    done | sort -u
}

# missing_packages GROUP...: those of them that are not installed.
missing_packages() {
    local name
    for name in $(packages "$@"); do
        if [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null)" != "ii " ]; then
            echo "$name"
        fi
    done
}

# as_root COMMAND...: run it as root, or return 1 if this user cannot.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo "$@"
    else
        return 1
    fi
}

# require_packages GROUP...: install what is missing, or name it and stop. Writes to stderr only.
require_packages() {
    local missing
    missing=$(missing_packages "$@" | paste -s -d ' ')
    [ -n "$missing" ] || return 0
    if command -v apt-get >/dev/null; then
        echo "installing: $missing" >&2
        # shellcheck disable=SC2086 # One word for each package.
        if as_root apt-get -q -o DPkg::Lock::Timeout=300 update >&2 &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
                -o DPkg::Lock::Timeout=300 install $missing </dev/null >&2; then
            return 0
        fi
    fi
    echo "missing packages (as Debian 12 names them): $missing; install them and start again" >&2
    exit 1
}

# build PRESET [TARGET...]: configure and build; writes to stderr only.
build() {
    local preset=$1
    shift
    (
        cd "$root" || exit
        cmake --preset "$preset" >&2 || exit
        cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"} >&2
    )
}
