"""What makes many objects change as one: a journal by which a change is taken back that did not come to its end.

Before anything that can be seen changes, the objects in the way are copied aside, by the store, below a claim that says whose
they are, and a journal is written that names what is about to change. What it names is not seen until the journal is deleted,
which is the moment in which all of it appears. Whoever finds a journal that nobody writes any more restores what was there
before; whoever finds only a claim, where nothing had changed yet or all had appeared, removes the copies.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice

from blocks.errors import CommandFailed, NotFound, ResourceError
from blocks.storage.object_abandoned import Abandoned
from blocks.storage.object_keys import Keys
from blocks.storage.object_store import AT_ONCE, Fetched, Listed, ObjectStore
from blocks.storage.resource import INCOMING, STALE, joined
from blocks.storage.team import Team

ABANDONED = 30 * 60  # seconds: far more than between two writings
_REWRITTEN = 60.0  # seconds after which a journal is written again, as a sign of life
_CLAIM, _JOURNAL, _PROBE = "claim", "journal", "probe"
AHEAD = 2 * AT_ONCE  # requests that wait or run


class Journal:
    """One change, of everything below some keys."""

    def __init__(self, store: ObjectStore, slot: str, keys: Sequence[str], saved: Sequence[Listed]) -> None:
        self.keys = keys
        self._store = store
        self.slot = slot
        self._saved = saved
        self._written = 0.0
        self._is_begun = False  # whether anything but the copies may have changed

    def begin(self) -> None:
        """Copy aside what is there, and from then on let nothing of it be seen.

        Raises:
            CommandFailed: the store refuses, also where it would do so only at the end; nothing has changed then.
        """
        self._delete(_PROBE)  # which is not there; but who may delete nothing would not be rid of the journal
        if self._saved:
            self._store.put(f"{self.slot}/{_CLAIM}", json.dumps({"keys": self.keys}).encode(), {})
        with Team(AT_ONCE, AHEAD) as team:
            for number, old in enumerate(self._saved):
                team.begin(partial(self._store.copy, old, f"{self.slot}/{number}"))
            team.finish()
        self.live_on()
        self._is_begun = True
        delete(self._store, self._saved)

    def live_on(self) -> None:
        """Tell others that this change is still going on."""
        now = time.monotonic()
        if not self._written or now > self._written + _REWRITTEN:
            saved = [[old.key, old.size, old.has_segments] for old in self._saved]
            content = json.dumps({"keys": self.keys, "saved": saved}).encode()
            self._store.put(f"{self.slot}/{_JOURNAL}", content, {})
            self._written = now

    def _try_to_live_on(self) -> None:
        with suppress(CommandFailed):  # the store may be full, which must not keep it from what was there before
            self.live_on()

    def end(self) -> None:
        """Let be seen what there is now."""
        self._delete(_JOURNAL)
        with suppress(ResourceError):  # all is seen, and the next landing of the same removes the copies by their claim
            self._tidy()

    def restore(self) -> None:
        """Have everything as it was, after something went wrong, unless it had ended: the copies may be gone then."""
        if self._is_begun and self._is_there():
            self.take_back()
        else:
            self.end()

    def take_back(self) -> None:
        """Restore what was there before. It may have been begun by somebody else, and may be begun again."""
        self._try_to_live_on()
        for key in self.keys:
            delete(self._store, list(below(self._store, key)))
        with Team(AT_ONCE, AHEAD, self._try_to_live_on) as team:
            for number, old in enumerate(self._saved):
                aside = Listed(f"{self.slot}/{number}", old.size, 0.0, old.has_segments)
                team.begin(partial(self._store.copy, aside, old.key))
            team.finish()
        self.end()

    def _is_there(self) -> bool:
        """Whether the store has the journal, which alone knows: the answer to its deletion may have been lost."""
        try:
            self._store.look(f"{self.slot}/{_JOURNAL}")
        except NotFound:
            return False
        return True

    def _tidy(self) -> None:
        """Remove the copies, and at last what says whose they are."""
        if self._saved:
            delete(self._store, [each for each in self._store.listed(f"{self.slot}/") if not each.key.endswith(f"/{_CLAIM}")])
            self._delete(_CLAIM)

    def _delete(self, name: str) -> None:
        self._store.delete([Listed(f"{self.slot}/{name}", 0, 0.0)])


class Journals:
    """All that are in a storage, below its base."""

    def __init__(self, store: ObjectStore, base: str, abandoned: Abandoned) -> None:
        self.base = base
        self._store = store
        self._abandoned = abandoned
        self._incoming = joined(base, INCOMING)

    def new(self, keys: Sequence[str], old: Sequence[Listed]) -> Journal:
        """One for a change of what is below these keys, where there are these objects now."""
        return Journal(self._store, f"{self._incoming}/{secrets.token_hex(8)}", keys, old)

    def hidden(self) -> Keys:
        """What is not to be seen just now."""
        return Keys(key for journal, _ in self._found(self._listed()) for key in journal.keys)

    def look(self) -> None:
        """See which uploads others left, before any is begun here."""
        self._abandoned.look()

    def take_back(self, keys: Iterable[str]) -> None:
        """Take back what was abandoned, and also what concerns these keys: there is one writer at a time, so it has died.

        A change of what is above a key, or below it, concerns it too.
        """
        listed = self._listed()
        concerned = Keys(keys)
        now = self._store.clock.now()
        left = list(concerned)
        for journal, modified in self._found(listed):
            if modified < now - ABANDONED or concerned.overlap(journal.keys):
                journal.take_back()
                left.append(journal.slot)
        for slot, claimed in self._claimed(listed):
            if concerned.overlap(claimed):
                delete(self._store, [each for each in listed if each.key.startswith(f"{slot}/")])
                left.append(slot)
        self._abandoned.abort(left)
        kept = {each.key.rpartition("/")[0] for each in listed if each.modified > now - STALE or each.key.endswith(_JOURNAL)}
        delete(self._store, [each for each in listed if each.key.rpartition("/")[0] not in kept])

    def _listed(self) -> list[Listed]:
        return list(self._store.listed(f"{self._incoming}/"))

    def _found(self, listed: Iterable[Listed]) -> Iterator[tuple[Journal, float]]:
        for each in listed:
            slot, _, name = each.key.rpartition("/")
            if name == _JOURNAL:
                with suppress(NotFound):  # it has just ended
                    yield self._read(slot, self._store.fetch(each.key)), each.modified

    def _claimed(self, listed: Iterable[Listed]) -> Iterator[tuple[str, list[str]]]:
        """What was prepared, or had ended and was not tidied up."""
        names = {each.key for each in listed}
        for slot in sorted({key.rpartition("/")[0] for key in names}):
            if f"{slot}/{_CLAIM}" in names and f"{slot}/{_JOURNAL}" not in names:
                with suppress(NotFound):  # it has just ended
                    yield slot, json.loads(self._store.fetch(f"{slot}/{_CLAIM}").content)["keys"]

    def _read(self, slot: str, found: Fetched) -> Journal:
        told = json.loads(found.content)
        return Journal(self._store, slot, told["keys"], [Listed(key, size, 0.0, cut) for key, size, cut in told["saved"]])


def below(store: ObjectStore, key: str) -> Iterator[Listed]:
    """The object of a key, and all that are below it as in a folder."""
    found = store.find(key)
    if found is not None:
        yield found
    yield from store.listed(f"{key}/")


def delete(store: ObjectStore, objects: Sequence[Listed]) -> None:
    """Delete any number of objects."""
    left = iter(objects)
    with Team(AT_ONCE, AHEAD) as team:
        while batch := list(islice(left, store.deleted_at_once)):
            team.begin(partial(store.delete, batch))
        team.finish()
