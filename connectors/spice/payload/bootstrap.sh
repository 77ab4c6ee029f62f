# Sees to it that ngspice is there: installs it where it may, else says who has to do what.
command -v ngspice >/dev/null 2>&1 && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    wait_for_others='-o DPkg::Lock::Timeout=300'
    # shellcheck disable=SC2086 # two words
    apt-get $wait_for_others install -y ngspice || { apt-get $wait_for_others update && apt-get $wait_for_others install -y ngspice; }
fi
command -v ngspice >/dev/null 2>&1 && exit 0

install='install the package ngspice'
for manager in apt-get dnf yum zypper; do
    if command -v "$manager" >/dev/null 2>&1; then install="run: $manager install ngspice"; break; fi
done
echo "ngspice is not installed on $(uname -n); an administrator of it should $install" >&2
exit 1
