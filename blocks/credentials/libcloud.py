"""Credentials for any other provider that apache-libcloud knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, SecretStr

from blocks.credentials.credentials import CloudCredentials

if TYPE_CHECKING:
    from blocks.cloud.provider import Provider


class LibcloudCredentials(CloudCredentials):
    """An account at a provider by its name in apache-libcloud, such as digitalocean or vultr."""

    _block_type_name = "Libcloud Credentials"
    _block_type_slug = "libcloud-credentials"
    kind: ClassVar[str] = "libcloud"

    provider_name: str = Field(title="Provider", description="Its name in apache-libcloud, such as digitalocean.")
    key: str = Field(default="", title="Key", description="What its driver asks for first: an access key, a user, a project.")
    secret: SecretStr | None = Field(default=None, title="Secret", description="The secret, password or token.")
    options: dict[str, Any] = Field(
        default={}, title="Options", description='More that its driver takes, such as {"region": "fra1"}; nothing secret.'
    )

    @property
    def wanted_secrets(self) -> list[str]:
        return ["secret"]

    def describe(self) -> str:
        return self.provider_name

    def provider(self) -> Provider:
        from blocks.cloud.any_libcloud import AnyProvider

        return AnyProvider(self.provider_name, self.key, self.secret, self.options)
