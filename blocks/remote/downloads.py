"""Large files of inputs that a host fetches from a storage itself: the stream that is delivered has an empty file for each.

Its last member is ``downloads``: four lines for each of them, its address, its size, its SHA-256 if that is known, and its path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from blocks.host_file import StoredFile
from blocks.tree import Entry, file

LIST = "downloads"
FETCH = rf"""
is_whole() {{
    [ "$(wc -c <downloaded)" -eq "$size" ] || return 1
    [ -n "$sum" ] && command -v sha256sum >/dev/null 2>&1 || return 0
    case "$(sha256sum <downloaded)" in
        "$sum "*) ;;
        *) echo "$path came with another SHA-256 than it had when the run began" >words; return 1 ;;
    esac
}}
if [ -f {LIST} ]; then
    while IFS= read -r url && IFS= read -r size && IFS= read -r sum && IFS= read -r path; do
        printf 'url = "%s"\n' "$url" |
            curl --config - --fail --silent --show-error --retry 4 --connect-timeout 20 --output downloaded 2>words &&
            is_whole && touch -r "$path" time && cat downloaded >"$path" && touch -r time "$path" ||
            {{ [ -s words ] || echo "a file did not come whole" >words; break; }}
        rm -f words downloaded time
    done <{LIST}
    rm -f downloaded time {LIST}
    if [ -f words ]; then cat words; rm words; exit 0; fi
fi
"""


class Downloads:
    """The files of one delivery that its host is to fetch."""

    def __init__(self) -> None:
        self.entries = list[Entry]()
        self._lines = list[str]()

    def without(self, tree: Iterable[Entry]) -> Iterator[Entry]:
        """The tree with an empty file for each of them."""
        for entry in tree:
            if isinstance(entry.content, StoredFile) and "\n" not in entry.path and (url := entry.content.signed()):
                self.entries.append(entry)
                self._lines.append(f"{url}\n{entry.size}\n{entry.content.sha256}\n{entry.path}\n")
                yield replace(entry, size=0, content=b"")
            else:
                yield entry

    def listed(self) -> Iterator[Entry]:
        """What tells the host of them, when the tree has been read."""
        if self._lines:
            yield file(LIST, "".join(self._lines).encode("utf-8", "surrogateescape"), 0o600)
