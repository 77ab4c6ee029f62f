"""What is needed to log in to a host over SSH, as the form that a resource Block shows."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, Field, PrivateAttr, SecretStr


class SSHAccess(BaseModel):
    """How to log in to a host, and how to know that it is the right one. Everything has a default: an agent and ``~/.ssh``."""

    username: str | None = Field(
        default=None,
        title="User name",
        description="The user to log in as; if empty, the one of the SSH configuration, or your own name on this machine.",
    )
    private_key: SecretStr | None = Field(
        default=None,
        title="Private key",
        description="The text of a private key (Ed25519, ECDSA or RSA), from its BEGIN line to its END line.",
    )
    private_key_file: str | None = Field(
        default=None,
        title="Private key file",
        description="The path of a private key on the machine that runs the connector; ~ is your home folder.",
    )
    passphrase: SecretStr | None = Field(
        default=None,
        title="Passphrase",
        description="The passphrase that protects the private key, if it has one.",
    )
    password: SecretStr | None = Field(
        default=None,
        title="Password",
        description="The password of the user, for hosts that take no key.",
    )
    use_agent: bool = Field(
        default=True,
        title="Use the SSH agent",
        description="Also try the keys that an SSH agent holds.",
    )
    jump_hosts: list[str] = Field(
        default_factory=list[str],
        title="Jump hosts",
        description="The hosts to go through, first one first, each as user@host:port; user and port may be left out.",
    )
    host_keys: list[str] = Field(
        default_factory=list[str],
        title="Host keys",
        description=(
            "Public keys that the host must show, such as 'ssh-ed25519 AAAA...'; a line of known_hosts, with a name in front, "
            "holds for that host only and also serves for jump hosts. If empty, the known hosts file decides."
        ),
    )
    known_hosts: str | None = Field(
        default=None,
        title="Known hosts file",
        description="The file of known host keys; if empty, those of the SSH configuration, or the usual ones.",
    )
    config_file: str | None = Field(
        default=None,
        title="SSH configuration file",
        description="The file with host aliases in OpenSSH's format; if empty, ~/.ssh/config and the system's.",
    )
    _of_gateways: SSHAccess | None = PrivateAttr(default=None)

    @property
    def of_gateways(self) -> SSHAccess:
        """What jump hosts are logged in to with."""
        return self._of_gateways or self

    def by_nothing_but(self, **way: Any) -> Self:
        """A copy that logs in to the host itself in one way alone, and to jump hosts in any of its own."""
        keys: dict[str, Any] = {"password": None, "private_key": None, "private_key_file": None, "use_agent": False}
        copy = self.model_copy(update=keys | way)
        copy._of_gateways = self
        return copy
