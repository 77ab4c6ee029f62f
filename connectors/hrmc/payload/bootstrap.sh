# Sees to it that there is a C compiler: installs one where it may, else says who has to do what.
has_compiler() {
    command -v cc >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1
}
has_compiler && exit 0

packages='gcc libc6-dev'
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
    install="apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $packages"
    # shellcheck disable=SC2086 # words
    $install || { update_lists; $install; }
fi
has_compiler && exit 0

install='install a C compiler'
for manager in apt-get dnf yum zypper; do
    if command -v "$manager" >/dev/null 2>&1; then install="run: $manager install gcc"; break; fi
done
echo "there is no C compiler on $(uname -n); an administrator of it should $install" >&2
exit 1
