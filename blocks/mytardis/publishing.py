"""An experiment on its way into a MyTardis: what is there is found, by what was written down and by looking; the rest is made."""

from __future__ import annotations

import functools
import hashlib
from collections import deque
from collections.abc import Container, Iterable, MutableMapping
from dataclasses import replace
from urllib.parse import quote

from blocks.curation.experiment import Dataset, Experiment, ParameterSet
from blocks.curation.graphs import Owner
from blocks.curation.http import Repository
from blocks.curation.signs import Signs
from blocks.errors import AuthenticationRefused, CommandFailed, NotFound, ResourceError
from blocks.mytardis import files
from blocks.mytardis.api import Row, count, identifier, made, row, rows, text
from blocks.mytardis.schemas import FittingSet, Schemas, is_in

REFUSALS = 10  # files that are not taken, after which no more are sent: the server takes none, or its disk is full
AHEAD = 20  # datasets that are sent before it is looked whether the first of them has arrived; the server takes its time
_LONGEST_TITLE = 400  # characters, of tardis_portal's model
_LONGEST_NAME = 240  # bytes, percent-encoded; a folder on disk has 255
_TOLD = 10  # files that are named in a message


class Publishing:
    """The way of one experiment; ``known`` has the addresses of what was made, under the place that it was made in."""

    def __init__(
        self, server: Repository, schemas: Schemas, user: int, institution: str, known: MutableMapping[str, str], signs: Signs
    ) -> None:
        self.sent = 0
        self.warnings: dict[str, None] = {}
        self._server = server
        self._schemas = schemas
        self._user = user
        self._institution = institution
        self._known = known
        self._signs = signs
        self._spoilt: list[str] = []
        self._refusals = 0

    def publish(self, experiment: Experiment, into: str) -> str:
        """Keep the experiment; returns its id.

        Raises:
            CommandFailed: files did not arrive whole; all that could be kept is.
        """
        place = f"into {into}" if into else "new"
        address = self._experiment(experiment, into, place)
        self._describe("experiment", address, row(self._server, "experiment", identifier(address)), experiment.parameter_sets)
        waiting = deque[tuple[str, files.Sending]]()
        there = self._datasets(experiment.run, address)
        for told in experiment.datasets:
            dataset = replace(told, name=_dataset_name(told.name))
            if self._is_still_whole(place, dataset.name, there):
                continue
            waiting.append((dataset.name, self._dataset(experiment.run, dataset, address, place)))
            if len(waiting) > AHEAD:
                self._settle(place, *waiting.popleft())
        if count := sum(len(sending.expected) for _, sending in waiting):
            self._signs.say(
                f"{count} {'file is' if count == 1 else 'files are'} in {self._server.name}; waiting until it has verified "
                f"{'it' if count == 1 else 'them'} (Ctrl-C leaves that to 'chiminey curate')"
            )
        while waiting:
            self._settle(place, *waiting.popleft())
        if self._spoilt:
            raise CommandFailed(self._told_of_spoilt())
        return identifier(address)

    def _experiment(self, experiment: Experiment, into: str, place: str) -> str:
        if into:
            return str(row(self._server, "experiment", into)["resource_uri"])
        key = f"{place}/experiment"
        if key in self._known and not self._is_there(experiment.run, key):
            self._forget(place)
        if key not in self._known:
            found = self._look_for_experiment(experiment)
            self._known[key] = found["resource_uri"] if found else self._new_experiment(experiment)
        return self._known[key]

    def _is_there(self, run: str, key: str) -> bool:
        """Whether the experiment that was made is, and is the run's: its words, which people change, or its datasets say so."""
        found = self._known_row("experiment", key)
        if found is None or self._user not in found["owner_ids"]:
            return False
        if found["description"].endswith(_signature(run)):
            return True
        return next(rows(self._server, "dataset", experiments__id=found["id"], directory=run), None) is not None

    def _known_row(self, kind: str, key: str) -> Row | None:
        """What is there of something that was made; nothing, if somebody removed it since, or it is not the user's any more."""
        try:
            return row(self._server, kind, identifier(self._known[key])) if key in self._known else None
        except (NotFound, AuthenticationRefused):
            return None

    def _forget(self, place: str) -> None:
        """What was made is gone with the experiment."""
        for key in [key for key in self._known if key.startswith(f"{place}/")]:
            del self._known[key]

    def _new_experiment(self, experiment: Experiment) -> str:
        document = {"title": _title(experiment), "description": _description(experiment)}
        if self._institution:
            document["institution_name"] = self._institution
        address, _ = made(self._server, "experiment", lambda: self._look_for_experiment(experiment), {"json": document})
        return address

    def _look_for_experiment(self, experiment: Experiment) -> Row | None:
        """Ours, with the name of the run in it; the oldest, if there were several."""
        ours = [
            each
            for each in rows(self._server, "experiment", title=_title(experiment))
            if self._user in each["owner_ids"] and each["description"].endswith(_signature(experiment.run))
        ]
        return min(ours, key=lambda each: each["id"], default=None)

    def _datasets(self, run: str, experiment: str) -> set[str]:
        """The ids of those of a run in an experiment; not asked for where nothing was sent before."""
        if not any("/whole " in key for key in self._known):
            return set()
        found = rows(self._server, "dataset", experiments__id=identifier(experiment), directory=run, order_by="id")
        return {str(each["id"]) for each in found}

    def _is_still_whole(self, place: str, name: str, there: Container[str]) -> bool:
        """Whether a dataset had arrived whole before, and is as it was: people remove datasets and files in the pages."""
        whole, number = f"{place}/whole {name}", identifier(self._known.get(f"{place}/dataset {name}", ""))
        if whole not in self._known:
            return False
        files = int(self._known[whole])
        if number in there and count(self._server, "dataset_file", dataset__id=number) >= files:
            return True
        del self._known[whole]
        return False

    def _dataset(self, run: str, dataset: Dataset, experiment: str, place: str) -> files.Sending:
        """Send a dataset, which still has to be seen to have arrived. Its directory tells it from those of other runs."""
        key = f"{place}/dataset {dataset.name}"

        def look() -> Row | None:
            filters = {"experiments__id": identifier(experiment), "description": dataset.name, "directory": run}
            return min(rows(self._server, "dataset", **filters), key=lambda each: each["id"], default=None)

        found = self._known_row("dataset", key)
        if found is None or found["directory"] != run:
            found = look()
        is_new = False
        if found is None:
            document = {
                "description": dataset.name,
                "experiments": [experiment],
                "directory": run,
                "immutable": False,
                "parameter_sets": [each.document for each in self._schemas.fitting(dataset.parameter_sets, "dataset")],
            }
            address, is_new = made(self._server, "dataset", look, {"json": document})
        else:
            address = found["resource_uri"]
        self._known[key] = address
        if not is_new:
            self._describe("dataset", address, row(self._server, "dataset", identifier(address)), dataset.parameter_sets)
        refuse = functools.partial(self._refused, dataset.name)
        sending = files.Sending(self._server, self._schemas, address, refuse, is_new=is_new)
        for file in dataset.files():
            sending.add(file)
            self._signs.how_far(f"files sent to {self._server.name}: {self.sent + sending.sent}, the latest of {dataset.name}")
        self.sent += sending.sent
        return sending

    def _settle(self, place: str, name: str, sending: files.Sending) -> None:
        spoilt = sending.spoilt(self._signs)
        self._spoilt += [f"{name}/{path}" for path in spoilt]
        self.warnings |= dict.fromkeys(f"{name}/{left_out}" for left_out in sending.left_out)
        if not spoilt and not sending.refused:
            self._known[f"{place}/whole {name}"] = str(len(sending.expected))

    def _refused(self, dataset: str, path: str, error: ResourceError) -> None:
        """Go on without a file that the server does not take; a large one may be more than it takes of anybody."""
        self._refusals += 1
        if self._refusals == REFUSALS:
            raise error
        self.warnings[f"{dataset}/{path} is not kept, which another 'chiminey curate' tries again: {error}"] = None

    def _describe(self, owner: Owner, address: str, has: Row, sets: Iterable[ParameterSet]) -> None:
        """Add the parameter sets that it has not yet."""
        for each in self._schemas.fitting(sets, owner):
            if not is_in(each, has):
                look = functools.partial(self._look_for_set, owner, address, each)
                made(self._server, f"{owner}parameterset", look, {"json": {owner: address, **each.document}})

    def _look_for_set(self, owner: Owner, address: str, wanted: FittingSet) -> Row | None:
        has = row(self._server, owner, identifier(address))
        return has if is_in(wanted, has) else None

    def _told_of_spoilt(self) -> str:
        named = ", ".join(self._spoilt[:_TOLD])
        more = f" and {len(self._spoilt) - _TOLD} more" if len(self._spoilt) > _TOLD else ""
        count = "a file" if len(self._spoilt) == 1 else f"{len(self._spoilt)} files"
        return (
            f"{count} did not arrive whole in {self._server.name}, by its checksum: {named}{more}; its API can't remove them: "
            "have them deleted in its pages, and curate the run again"
        )


def _dataset_name(told: str) -> str:
    """The name as a database and the server's disk can hold it, which has it percent-encoded, with a number behind it."""
    name = whole = text(told)
    if len(quote(whole, safe="")) <= _LONGEST_NAME:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    while len(quote(f"{name}-{digest}", safe="")) > _LONGEST_NAME:
        name = name[:-1]
    return f"{name}-{digest}"


def _title(experiment: Experiment) -> str:
    return text(experiment.title)[:_LONGEST_TITLE]


def _description(experiment: Experiment) -> str:
    """With the name of the run at its end, by which the experiment is found again."""
    return f"{text(experiment.description)}\n\n{_signature(experiment.run)}".strip()


def _signature(run: str) -> str:
    return f"Chiminey run {run}"


def mistakes(server: Repository, into: str) -> list[str]:
    """Why nothing could be published into this experiment. Who may read it but not change it is told only when that is tried."""
    if not into.isdecimal():
        return [f"{into!r} can't be an experiment of {server.name}; give the number that is in the address of its page"]
    try:
        found = row(server, "experiment", into)
    except NotFound:
        return [f"{server.name} has no experiment {into}; leave it out to make a new one"]
    except AuthenticationRefused:
        return [f"experiment {into} of {server.name} is not yours, or its credentials are wrong; leave it out to make a new one"]
    if found["locked"]:
        return [f"experiment {into} of {server.name} is locked; leave it out to make a new one"]
    return []
