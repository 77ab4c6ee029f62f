"""Where the scheduler's commands are: many sites put them into PATH for a login only, by /etc/profile.d or a user's profile.

A script over SSH is no login. Where it does not find the command, the profiles are read in a shell of their own, which may print,
fail or end as it likes, and what they have set for the scheduler is taken over from there.
"""

from __future__ import annotations

from shlex import quote

from blocks.scheduler.dialect import Dialect

_READ_PROFILES = r"""exec 3>&1 >/dev/null 2>&1
tell() {
    set +eu
    for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
        case $name in PATH|LD_LIBRARY_PATH|SLURM_*|SBATCH_*|SGE_*|PBS_*) ;; *) continue ;; esac
        eval "value=\$$name"
        printf "export %s='%s'\n" "$name" "$(printf '%s' "$value" | sed "s/'/'\\\\''/g")" >&3
    done
}
trap tell EXIT
[ ! -r /etc/profile ] || . /etc/profile
for profile in "$HOME/.bash_profile" "$HOME/.bash_login" "$HOME/.profile"; do
    if [ -r "$profile" ]; then . "$profile"; break; fi
done
trap - EXIT
tell"""


def find(dialect: Dialect) -> str:
    """Put the scheduler's commands into PATH, where they are for those who log in."""
    return f"""command -v {dialect.command} >/dev/null 2>&1 || {{
    if command -v bash >/dev/null 2>&1; then shell=bash; else shell=sh; fi
    eval "$("$shell" -c {quote(_READ_PROFILES)} </dev/null)"
}}"""


def need(dialect: Dialect) -> str:
    """The same, and end the script where they are not found."""
    words = (
        f"there is no {dialect.command} command on this host, neither in PATH nor after the profiles of a login were read; "
        f"check the login node, or put the folder of {dialect.title}'s commands into PATH in ~/.profile there"
    )
    return f"""{find(dialect)}
command -v {dialect.command} >/dev/null 2>&1 || {{ echo {quote(words)} >&2; exit 1; }}"""
