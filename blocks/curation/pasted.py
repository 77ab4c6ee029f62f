"""Keys and tokens as people paste them, which is often with a line end, and at times with more than one word."""

from __future__ import annotations

from pydantic import SecretStr


def pasted(secret: SecretStr | None) -> str:
    """A key without what stands around it, or "" for none."""
    return secret.get_secret_value().strip() if secret is not None else ""


def unfit(key: str, what: str) -> list[str]:
    """That a key can't be sent in a header, in a sentence that does not repeat it."""
    if all("!" <= character <= "~" for character in key):
        return []
    return [
        f"{what} has a space, a line end, or another character within it that none has; copy it once more, nothing else with it, "
        "and save the resource anew"
    ]
