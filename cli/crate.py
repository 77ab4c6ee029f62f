"""``chiminey verify`` and ``rerun``: are results still what they were when the run ended, and does the run give them again?"""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zipfile import is_zipfile

import typer

from blocks.errors import AllAtOnce, InvalidRequest
from cli import answer, options, prefect, values
from cli.carry_out import Start, leave_behind, to_the_end

if TYPE_CHECKING:
    from flows.crate.reading import Crate
    from flows.crate.verification import Verification

CrateName = Annotated[
    str,
    typer.Argument(metavar="CRATE", help="A results folder: a path of this machine, or of a zip, STORAGE/PATH, or a run's name."),
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Use the crate's own connector, though it is code of others that can do anything here.")
]


def verify(crate: CrateName, as_json: options.Json = False) -> None:
    """Check that every file of a results folder is there and as it was when the run ended."""
    from flows.crate.verification import verify as verified

    with _looked_into(crate) as opened:
        found = verified(opened)
    if as_json:
        answer.give({"ok": found.ok, **asdict(found)})
    else:
        _tell(found)
    if not found.ok:
        raise typer.Exit(1)


def rerun(
    crate: CrateName,
    compute: options.Compute = None,
    output: options.Output = None,
    set_: options.Set = None,
    job: options.Job = None,
    trust: Trust = False,
    detach: options.Detach = False,
    as_json: options.Json = False,
    run_id: options.RunId = None,
) -> None:
    """Repeat the run or sweep of a results folder, anywhere, and tell whether it gives the same."""
    run_id = run_id or secrets.token_hex(5)

    def prepare() -> Start:
        from connectors.of_crate import chosen
        from flows import run_folder
        from flows.crate.verification import require

        with AllAtOnce() as attempt:
            attempt(values.split, set_ or [])
            requested = attempt(values.job, job or [], None)
        opened = _opened(crate)
        require(opened, "connector", run_folder.inputs(0))
        prefect.connect()
        from flows.rerun import Changes, prepared
        from flows.resources import load_compute

        place = load_compute(compute)
        choice = chosen(opened, place, trust=trust)
        typer.echo(choice.why, err=True)
        assert requested is not None
        given = values.assignments(set_ or [], choice.connector.Inputs.model_fields)
        changes = Changes(place, output, given, requested)
        return prepared(opened, choice.connector, changes, run_id)

    if detach:
        leave_behind(run_id, "rerun", as_json, ())
    else:
        to_the_end(prepare, run_id, as_json)


@contextmanager
def _looked_into(text: str) -> Generator[Crate]:
    """The crate that is meant, of which nothing is kept when it came out of a zip. Raises as ``_opened``."""
    archive = _path(text)
    if not _is_zip(archive):
        yield _opened(text)
        return
    from blocks.storage.local import LocalStorage
    from flows.crate.copies import looked_into
    from flows.crate.reading import opened

    with looked_into(archive) as folder:
        yield replace(opened(LocalStorage(path=str(folder)), ""), origin=str(archive))


def _opened(text: str) -> Crate:
    """The crate that is meant.

    Raises:
        InvalidRequest: there is none; NotFound: there is no such storage.
    """
    from flows.crate.reading import opened

    place = text if _folder(text) else _of_run(text)
    if folder := _folder(place):
        from blocks.storage.local import LocalStorage

        return opened(LocalStorage(path=str(folder)), "")
    prefect.connect()  # which alone knows what storages there are
    from flows.resources import load_location

    return opened(*load_location(place))


def _folder(text: str) -> Path | None:
    """The folder of this machine that has this name, or in which the metadata of this name are, or what is in such a zip.

    Raises:
        InvalidRequest: it is in the home of somebody who is not known here, or it is a zip that can't be used.
    """
    from flows.crate import METADATA

    path = _path(text)
    if _is_zip(path):
        from flows.crate.copies import unpacked

        return unpacked(path)
    if path.name == METADATA and path.is_file():
        return path.parent
    return path if path.is_dir() else None


def _path(text: str) -> Path:
    """The place on this machine. Raises InvalidRequest: it is in the home of somebody who is not known here."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise InvalidRequest(f"{text!r} is in the home of somebody who is not known on this machine") from error


def _is_zip(path: Path) -> bool:
    return path.is_file() and is_zipfile(path)


def _of_run(text: str) -> str:
    """The place of the results, where it is a run that has this name; else what was given, where it may be in a storage.

    Raises:
        InvalidRequest: it is neither.
    """
    from flows.ledger import Ledger
    from flows.result import place

    try:
        with closing(Ledger()) as ledger:
            return place(ledger.find(text))
    except InvalidRequest as error:
        if "/" in text:
            return text
        raise InvalidRequest(
            f"{text!r} is neither a folder of this machine nor a run: {error}; a place in a storage is STORAGE/PATH"
        ) from error


def _tell(found: Verification) -> None:
    from flows.crate.reading import shown

    wrongs = {"missing": found.missing, "changed": found.changed, "can't be read": found.unreadable}
    for what, paths in {**wrongs, "extra, not of the run": found.extra}.items():
        for path in paths:
            typer.echo(f"{what}: {shown(path)}")
    wrong = sum(map(len, wrongs.values()))
    files = "file is" if found.checked == 1 else "files are"
    ending = f"; {wrong} {'is' if wrong == 1 else 'are'} not" if wrong else ""
    typer.echo(f"{found.crate}: {found.checked} {files} as the crate says{ending}")
