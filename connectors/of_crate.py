"""The connector with which the run of a crate is repeated: the installed one if it is the same, else the crate's own copy.

A crate may come from anybody. Its copy names nothing of this machine, is checked where nobody else can change it any more, and
is used here only by those who trust it, or who have computed with the same before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from blocks.compute import ComputeResource, LocalCompute
from blocks.errors import InvalidRequest
from blocks.storage.local import LocalStorage
from blocks.storage.resource import joined
from connectors import declaration, discovery
from flows import SmartConnector, connector_files
from flows.connector_files import DECLARATION, FOLDER, PYTHON
from flows.crate import copies
from flows.crate.reading import Crate, shown
from flows.crate.verification import require_copy
from flows.digest import Checksums, checksum, of_tree
from flows.ledger import Ledger

SHOWN = 5  # files that differ

_Files = dict[str, str]  # the SHA-256 of each file of a connector, by its path


@dataclass(frozen=True)
class Choice:
    """A connector, and in a sentence which one it is and why."""

    connector: SmartConnector
    why: str


def chosen(crate: Crate, compute: ComputeResource | None, *, trust: bool) -> Choice:
    """The connector that is as in the crate, to compute there with it, or nowhere, for what it says of a run that is over.

    Raises:
        InvalidRequest: there is only the crate's, and it can't be used; or it is code of others that would run on this machine,
            and nobody said to ``trust`` it.
    """
    name = shown(crate.connector)
    theirs = {path: known[1] for path, known in crate.within(FOLDER).items()}
    installed = discovery.catalogue().connectors.get(crate.connector)
    if installed is not None:
        ours = {entry.path: checksum(entry)[1] for entry in connector_files.tree(installed) if entry.kind == "file"}
        different = sorted(path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path))
        if not different:
            return Choice(installed, f"the installed connector {name} is the same as the crate's, and is used")
        why = f"the installed connector {name} differs from the crate's in {_listed(different)}"
    else:
        why = f"there is no connector {name} here"
    if DECLARATION not in theirs and PYTHON not in theirs:
        raise InvalidRequest(f"{why}, and {crate.name} has no copy that could be used; install the connector that it was")
    if not trust and (danger := _danger(crate, theirs, compute)):
        raise InvalidRequest(f"{why}, and {danger}, and if you trust it, say --trust")
    return Choice(_copy(crate), f"{why}, so the crate's own copy is used")


def _danger(crate: Crate, files: _Files, compute: ComputeResource | None) -> str:
    """What the crate's copy could do to this machine, and what to look at; empty for nothing that was not done before."""
    is_python = PYTHON in files
    if not (is_python or isinstance(compute, LocalCompute)) or _is_own(crate, files):
        return ""
    programs = PYTHON if is_python else _listed(sorted(files.keys() - {DECLARATION}))
    what = "is Python code, which" if is_python else "has programs, which"
    place = crate.storage.describe(joined(crate.folder, FOLDER))
    return f"the crate's own copy {what} could do anything on this machine; look at {programs} in {place}"


def _is_own(crate: Crate, files: _Files) -> bool:
    """Whether the ledger has the run, made of the same files, which were not out of a crate then."""
    ledger = Ledger()
    try:
        runs = [run for run in (ledger.run(crate.run_id), *ledger.children(crate.run_id)) if run is not None]
        own = (run for run in runs if not Path(run.folder).is_relative_to(copies.place()))
        listings = (ledger.files_in(run.id, FOLDER) for run in own)
        known = next(filter(None, listings), Checksums())
        return {path.removeprefix(f"{FOLDER}/"): sha256 for path, (_, sha256) in known.items()} == files
    finally:
        ledger.close()


def _copy(crate: Crate) -> SmartConnector:
    """The crate's own, from a place on this machine."""
    folder = _kept(crate)
    _refuse_links_to_outside(crate, folder)
    if (folder / DECLARATION).is_file():
        try:
            _refuse_places_outside(crate, folder, declaration.places(folder))
        except declaration.DeclarationProblem as error:
            raise InvalidRequest(f"the connector in {crate.name} can't be used: {error}") from error
    return discovery.of_run(folder, f"the connector in {crate.name}")


def _kept(crate: Crate) -> Path:
    """The folder of the copy, which is as the crate says: it is looked at after it was fetched, for a place may answer twice."""
    copies.place().mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=copies.place()) as draft:
        copy = LocalStorage(path=draft)
        copy.store(FOLDER, crate.storage.tree(joined(crate.folder, FOLDER)))
        require_copy(crate, FOLDER, copy.tree(FOLDER))
        digest = of_tree(copy.tree(FOLDER))[:16]
        LocalStorage(path=str(copies.place())).store(f"{digest}/{FOLDER}", copy.tree(FOLDER))
    return copies.place() / digest / FOLDER


def _refuse_links_to_outside(crate: Crate, folder: Path) -> None:
    """See that no link leads out of the copy, to what is this machine's. Raises InvalidRequest: some do."""
    if links := copies.links_to_outside(folder):
        raise InvalidRequest(f"the connector in {crate.name} can't be used: links in it lead out of it, {_listed(links)}")


def _refuse_places_outside(crate: Crate, folder: Path, named: Mapping[str, Sequence[str]]) -> None:
    """See that a declaration names nothing that is not of the copy. Raises InvalidRequest: it does."""
    found = [f"{key} = {given!r}" for key, paths in named.items() for given in paths if not copies.is_in(folder, folder / given)]
    if found:
        raise InvalidRequest(
            f"the connector in {crate.name} can't be used: it names what is not in its folder, {', '.join(found)}"
        )


def _listed(paths: list[str]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(map(shown, paths[:SHOWN])) + more
