"""EC2's Query API where libcloud has no method for an action, or has one without the tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blocks.cloud.calls import Account


def query(account: Account, action: str, parameters: Mapping[str, str]) -> Any:
    """The answer to an action, as XML."""
    asked = {"Action": action, **parameters}

    def once(driver: Any) -> Any:
        return driver.connection.request(driver.path, params=dict(asked)).object

    return account.carry_out(once)


def those(tags: Mapping[str, str]) -> dict[str, str]:
    """Parameters that choose things by their tags."""
    named: dict[str, str] = {}
    for number, (key, value) in enumerate(tags.items(), 1):
        named |= {f"Filter.{number}.Name": f"tag:{key}", f"Filter.{number}.Value.1": value}
    return named


def bearing(kind: str, tags: Mapping[str, str], specification: int = 1) -> dict[str, str]:
    """Tags as parameters of the call that makes a thing, so that it never is there without them. Each kind has a number."""
    root = f"TagSpecification.{specification}"
    named = {f"{root}.ResourceType": kind}
    for number, (key, value) in enumerate(tags.items(), 1):
        named |= {f"{root}.Tag.{number}.Key": key, f"{root}.Tag.{number}.Value": value}
    return named


def texts(answer: Any, name: str) -> Iterator[str]:
    """What all elements of a name hold, whatever their namespace."""
    return (str(each.text).strip() for each in answer.iter() if str(each.tag).rpartition("}")[2] == name and each.text)


def items(answer: Any) -> Iterator[Any]:
    """The things that a listing is of."""
    for each in answer:
        if str(each.tag).endswith(("Set", "securityGroupInfo")):
            yield from each


def tagged(item: Any) -> dict[str, str]:
    """The tags of a thing."""
    sets = (each for each in item if str(each.tag).endswith("tagSet"))
    return {next(texts(tag, "key"), ""): next(texts(tag, "value"), "") for tags in sets for tag in tags}
