"""Who runs things here, and what others may do with the results: from the environment, for both are the same for years."""

from __future__ import annotations

import os
import pwd

from blocks.curation.experiment import Author

AUTHOR = "CHIMINEY_AUTHOR"  # such as: Lovelace, Ada; 0000-0002-1825-0097
LICENSE = "CHIMINEY_LICENSE"  # an SPDX identifier, or a URL
NO_LICENSE = "No licence was given; ask the author."

ORCID = "https://orcid.org/"
SPDX = "https://spdx.org/licenses/"


def author() -> Author:
    """The one that ``CHIMINEY_AUTHOR`` names, else the user of this machine."""
    named = typed(os.environ.get(AUTHOR, ""))
    return named if named.name else Author(_user(), orcid=named.orcid)


def typed(text: str) -> Author:
    """An author as one is typed: ``Family, Given; ORCID``, the latter if there is one, and also as a URL."""
    name, _, orcid = text.partition(";")
    return Author(name.strip(), orcid=orcid.strip().removeprefix(ORCID))


def uri(person: Author) -> str:
    """What a crate calls a person."""
    return f"{ORCID}{person.orcid}" if person.orcid else "#author"


def licence() -> str:
    """The one that ``CHIMINEY_LICENSE`` names, as a URL where it can be one."""
    given = os.environ.get(LICENSE, "").strip()
    if not given:
        return NO_LICENSE
    return given if "/" in given or " " in given else f"{SPDX}{given}"


def _user() -> str:
    try:
        account = pwd.getpwuid(os.getuid())
    except KeyError:  # a container's user without a name
        return f"user {os.getuid()}"
    return account.pw_gecos.partition(",")[0].strip() or account.pw_name
