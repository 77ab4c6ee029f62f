"""Large files of outputs that a host sends to a storage itself: set aside, so that the stream of all others lacks them.

They wait in ``batches/<batch id>/held/<number>``; ``held/list`` says where each belongs. Whoever fetches the outputs again,
because not all of them arrived, first puts them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from shlex import quote
from typing import Protocol

from blocks.errors import CommandFailed
from blocks.host_file import HostFile
from blocks.remote.beating import BEATING
from blocks.transport.transport import Stream
from blocks.tree import Entry
from blocks.work import OUTPUT

PUT_BACK = r"""
if [ -d held ]; then
    while IFS='	' read -r number path; do [ ! -e "held/$number" ] || mv -f "held/$number" "$path" || exit; done <held/list
    rm -rf held
fi
"""

TOOLS = ("curl", "md5sum", "sha256sum")
_LARGEST = 5 * 1024**3  # bytes; what S3 takes in one request


class Session(Protocol):
    """What is needed of a session."""

    def ask(self, script: str, data: Iterable[bytes]) -> bytes:
        """The output of a script."""
        ...

    def open(self, script: str) -> Stream:
        """A script that is running."""
        ...


def _hold(place: str, smallest: int, leave_behind: str) -> str:
    """Set aside the large files of the tasks whose ids come on standard input, and print a line about each.

    The fields are task, size, mode, time, MD5, SHA-256, number and path, with tabs between. Where one of the commands is
    missing that are needed for it, nothing is set aside.
    """
    leaving = f"xargs sh -c {quote(leave_behind)} sh <holding 2>/dev/null" if leave_behind else ""
    return rf"""
{place} || exit
{PUT_BACK}
for tool in {" ".join(TOOLS)}; do command -v "$tool" >/dev/null 2>&1 || exit 0; done
{BEATING}
while read -r id; do
    [ ! -d "$id/{OUTPUT}" ] || [ -L "$id/{OUTPUT}" ] || echo "$id/{OUTPUT}"
done >holding
{leaving}
mkdir held && true >held/list || exit
[ ! -s holding ] || xargs sh -c 'exec find "$@" -type f -links 1 -size +{smallest - 1}c -size -{_LARGEST}c ! -path "*
*"' sh <holding | while IFS= read -r path; do
    number=$((${{number:-0}} + 1))
    printf '%s\t%s\n' "$number" "$path" >>held/list && mv "$path" "held/$number" || exit
    size=$(wc -c <"held/$number") md5=$(md5sum <"held/$number") sha256=$(sha256sum <"held/$number")
    facts=$(stat -c '%a	%Y' "held/$number" 2>/dev/null) || facts='644	0'
    printf '%s\t' "${{path%%/*}}" $size "$facts" "${{md5%% *}}" "${{sha256%% *}}" "$number"
    printf '%s\n' "${{path#*/*/}}"
done
"""


def _send(place: str, number: int, url: str, headers: Mapping[str, str]) -> str:
    """PUT one file, and print the head of the answer. The address is a secret: no command has it among its arguments."""
    lines = [
        f'url = "{url}"',
        f'upload-file = "held/{number}"',
        *(f'header = "{name}: {text}"' for name, text in headers.items()),
    ]
    config = " ".join(map(quote, lines))
    return f"""
{place} || exit
{BEATING}
printf '%s\\n' {config} |
    curl --config - --fail --silent --show-error --retry 4 --connect-timeout 20 --dump-header - --output /dev/null
"""


def hold(session: Session, place: str, tasks: Iterable[int], smallest: int, leave_behind: str) -> Iterator[tuple[int, Entry]]:
    """The files of at least so many bytes in the outputs of some tasks, each with its task's id; the next fetch lacks them.

    ``place`` is shell that changes into the folder of the tasks' batch.
    """
    listed = session.ask(_hold(place, smallest, leave_behind), ["".join(f"{task}\n" for task in tasks).encode()])
    for line in listed.decode("utf-8", "surrogateescape").split("\n"):
        if line:
            task, size, mode, time, md5, sha256, number, path = line.split("\t", 7)
            content = HeldFile(int(size), md5, sha256, session, place, int(number))
            with closing(content):  # it is read before the next is asked for, or not to its end
                yield int(task), Entry(f"output/{path}", "file", int(mode, 8), float(time), int(size), content)


class HeldFile(HostFile):
    """A file that was set aside."""

    def __init__(self, size: int, md5: str, sha256: str, session: Session, place: str, number: int) -> None:
        super().__init__(size, md5, sha256)
        self._session, self._place, self._number = session, place, number
        self._stream: Stream | None = None
        self._left = size

    def read(self, size: int, /) -> bytes:
        if self._stream is None:
            self._stream = self._session.open(f"{self._place} && exec cat held/{self._number}")
            self._stream.end_input()
        block = self._stream.read(min(size, self._left))
        self._left -= len(block)
        if not block or not self._left:
            self.close()
        return block

    def close(self) -> None:
        """Let go of what reading it holds of the connection."""
        if self._stream is not None:
            self._stream.close()

    def send(self, url: str, headers: Mapping[str, str]) -> str:
        head = self._session.ask(_send(self._place, self._number, url, headers), ()).decode("latin-1")
        tags = [line.partition(":")[2].strip().strip('"') for line in head.splitlines() if line.lower().startswith("etag:")]
        if not tags:
            raise CommandFailed("a file was sent by its host, but the answer of the storage has no ETag")
        return tags[-1]
