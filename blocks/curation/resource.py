"""What a curation resource can do: the only face of it that the flows know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import MutableMapping

from blocks.curation.experiment import Experiment, Publication
from blocks.curation.signs import Say, unheard
from blocks.resource import Resource


class CurationResource(Resource, ABC):
    """A repository that keeps what runs have made, described so that others find and understand it."""

    @abstractmethod
    def describe(self) -> str:
        """Where it is, for people."""

    @property
    def place(self) -> str:
        """What is known of it is known under this: its name, which may come to mean another server, with where that is."""
        return f"{self.saved_name} ({self.describe()})" if self.saved_name else self.describe()

    @abstractmethod
    def publish(self, experiment: Experiment, into: str, known: MutableMapping[str, str], say: Say = unheard) -> Publication:
        """Keep an experiment with its datasets and their files; what is there already is found, and not made again.

        ``into`` is the identifier of an experiment of the repository's that everything goes into; "" makes a new one.
        ``known`` outlives the process: whatever the repository named is written there at once, by a key of the resource's
        own, so that a repeat finds it, and is used only where what is there is of this run. What was made and not yet written
        there, because the process was killed, is looked for in the repository before it is made. ``say`` is told how far it is.

        Raises:
            Unreachable: the repository is away; the same call goes on later. Unverified: so it does, but not at once.
            AuthenticationRefused, CommandFailed, NotFound: it refuses, and what to do.
        """

    def problems(self, into: str) -> list[str]:
        """Why nothing could be published into an experiment, in sentences; asked once, before anything is computed.

        Raises:
            ResourceError: the repository is away, or does not accept the credentials.
        """
        del into
        return []

    @abstractmethod
    def check(self) -> list[str]:
        """Try it without leaving anything there; returns sentences that say what works.

        Raises:
            ResourceError: something does not work, and what to do.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of connections; the next call makes new ones."""
