"""Credentials: who somebody is to a cloud's provider."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from blocks.resource import Resource

if TYPE_CHECKING:
    from blocks.cloud.provider import Provider


class CloudCredentials(Resource, ABC):
    """An account at a provider. A new kind is a new module, and a word in ``KINDS``."""

    @abstractmethod
    def provider(self) -> Provider:
        """The provider, as this account sees it. Nothing is asked before the first call.

        Raises:
            InvalidRequest: what they were given does not hang together, each reason being told.
        """

    def check(self) -> list[str]:
        """Try them: lines that say what was found.

        Raises:
            ResourceError: the provider can't be asked, or does not accept them.
        """
        provider = self.provider()
        quota = provider.quota()
        return [f"{provider.name} accepts the credentials", *([quota.words] if quota is not None else [])]
