"""Credentials: who somebody is to a cloud's provider."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, cast

from pydantic import model_validator

from blocks.resource import Resource

if TYPE_CHECKING:
    from blocks.cloud.provider import Provider


class CloudCredentials(Resource, ABC):
    """An account at a provider. A new kind is a new module, and a word in ``KINDS`` and ``blocks.kinds``."""

    @model_validator(mode="before")
    @classmethod
    def _has_no_other_settings(cls, given: Any) -> Any:
        """Inside a saved resource nothing but their settings tells what kind of credentials they are, and Blocks take any."""
        if isinstance(given, dict):
            strange = cast(dict[str, Any], given).keys() - cls.model_fields.keys() - {"block_type_slug"}
            if strange:
                raise ValueError(f"{cls.kind} credentials have no {' and no '.join(sorted(strange))}")
        return cast(Any, given)

    @property
    @abstractmethod
    def wanted_secrets(self) -> list[str]:
        """The settings, all of them secrets, without which those that are given are of no use."""

    @abstractmethod
    def describe(self) -> str:
        """Where the account is, in a few words."""

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
        provider.machines("")  # of no run: not every provider is asked for a quota
        quota = provider.quota()
        return [f"{provider.name} accepts the credentials", *([quota.words] if quota is not None else [])]
