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

# install_packages NAME...: with apt-get, as root or through sudo; fails if this user has no right to.
install_packages() {
    local as_root=()
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; } || return 1
        as_root=(sudo)
    fi
    echo "installing: $*" >&2
    "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update >&2 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
            --no-install-recommends -o DPkg::Lock::Timeout=300 install "$@" </dev/null >&2
}

# require_packages GROUP...: install what is missing, or name it and stop. Writes to stderr only.
require_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    if [ ${#missing[@]} -gt 0 ] && ! install_packages "${missing[@]}"; then
        echo "missing packages, as Debian 12 names them: ${missing[*]}" >&2
        echo "install them and start again" >&2
        exit 1
    fi
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
