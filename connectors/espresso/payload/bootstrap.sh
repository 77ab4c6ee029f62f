# Sees to it that Quantum ESPRESSO is there: installs it where it may, pseudopotentials too, else says who has to do what.
is_complete() {
    command -v pw.x >/dev/null 2>&1 && [ -d /usr/share/espresso/pseudo ]
}
is_complete && exit 0

# Reads the lists of packages. For their lock apt-get does not wait: a machine that has just started may be reading them itself.
update_lists() {
    attempts=60
    until said=$(apt-get update 2>&1); do
        attempts=$((attempts - 1))
        case $said in */lists/lock*) [ "$attempts" -gt 0 ] || break ;; *) break ;; esac
        sleep 5
    done
    echo "$said"
}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    install='apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends quantum-espresso quantum-espresso-data'
    # shellcheck disable=SC2086 # words
    $install || { update_lists; $install; }
fi
# Without Debian's pseudopotentials those of the input folder will do.
command -v pw.x >/dev/null 2>&1 && exit 0

install='install Quantum ESPRESSO'
for manager in apt-get dnf yum zypper; do
    if command -v "$manager" >/dev/null 2>&1; then install="run: $manager install quantum-espresso"; break; fi
done
echo "Quantum ESPRESSO is not installed on $(uname -n); an administrator of it should $install" >&2
exit 1
