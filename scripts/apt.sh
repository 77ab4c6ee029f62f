# Sourced by the scripts beside it: installs Debian packages, or says which are missing.

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Packages that bring a server start it when they are installed. Nobody who sets up a project asked for a server on their
# machine, so Debian's own switch for that, policy-rc.d, is set for as long as the installation takes.
without_starting_servers() {
    policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" > /dev/null
    as_root chmod 755 "$policy"
    trap 'as_root rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    "$@"
    as_root rm -f "$policy"
    trap - EXIT INT TERM
}

# Debian's tools talk a lot: what they say is shown when they fail.
apt_get() {
    log=$(mktemp)
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" < /dev/null > "$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "apt-get $1 failed: see above, then run this again." >&2
        exit 1
    fi
    rm -f "$log"
}

install_packages() {
    if ! command -v apt-get > /dev/null || { [ "$(id -u)" != 0 ] && ! command -v sudo > /dev/null; }; then
        echo "Please install these, by their names in Debian, and run this again: $*" >&2
        exit 1
    fi
    echo "Installing Debian packages: $* ..."
    apt_get update
    without_starting_servers apt_get install --yes --no-install-recommends "$@"
}

# unpack_package PACKAGE FOLDER: its files below the folder, without what it depends on.
unpack_package() {
    echo "Unpacking the Debian package $1 in $2 ..."
    folder=$(mktemp -d)
    apt_get update
    (cd "$folder" && apt_get download "$1")
    as_root mkdir -p "$2"
    as_root dpkg-deb --extract "$folder"/*.deb "$2"
    rm -rf "$folder"
}
