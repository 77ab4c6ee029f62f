"""Any provider that apache-libcloud knows, by what all its drivers have in common."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

from libcloud.compute.providers import get_driver
from pydantic import SecretStr

from blocks.cloud import tags
from blocks.cloud.calls import Account
from blocks.cloud.machine import Machine, MachineState, Size, Wish
from blocks.cloud.provider import MachineOrder, Provider, Quota
from blocks.errors import InvalidRequest, NotFound

_USER_DATA = ("ex_userdata", "ex_user_data")  # what drivers call it
_STATES: dict[str, MachineState] = {"running": "running", "pending": "coming", "rebooting": "coming", "terminated": "gone"}


class AnyProvider(Provider):
    """An account at a provider whose driver makes machines with user data. What is made for a run is known by its name."""

    def __init__(self, provider: str, key: str, secret: SecretStr | None, options: Mapping[str, Any]) -> None:
        try:
            self._kind: Any = get_driver(provider)
        except (AttributeError, ImportError) as error:
            raise InvalidRequest(f"apache-libcloud knows no provider {provider!r}; its documentation lists them") from error
        self._provider = provider
        secrets = [secret.get_secret_value()] if secret is not None else []
        self._account = Account(provider, lambda: self._kind(*([key] if key else []), *secrets, **options))

    @property
    def name(self) -> str:
        return self._provider

    def problems(self, wish: Wish) -> list[str]:
        found: list[str] = []
        if self._user_data is None:
            found.append(
                f"machines of {self.name} can't be told which host key to show: its driver in apache-libcloud takes no user data"
            )
        if not wish.zone and (where := self._takes.get("location")) is not None and where.default is where.empty:
            found.append(f"zone: {self.name} has to be told where machines are made; name one of its locations")
        for look_up in (self._image, self._size, self._location):
            try:
                look_up(wish)
            except NotFound as error:
                found.append(str(error))
        for setting in ("network", "security_groups", "floating_pool", "disk", "spot", "ssh_from"):
            if getattr(wish, setting):
                found.append(f"{setting}: it can't be chosen for {self.name} by the libcloud credentials; leave it out")
        return found

    def size(self, wanted: str) -> Size:
        size = self._named("size", wanted, self._account.ask("list_sizes"))
        processors = getattr(size, "vcpus", None) or size.extra.get("vcpus") or size.extra.get("cpu") or 0
        return Size(str(size.name), int(processors))

    def quota(self) -> Quota | None:
        return None

    def prepare(self, run: str, named: Mapping[str, str], public_key: str, wish: Wish) -> None:
        """Nothing: machines get the key by their user data."""

    def make(self, order: MachineOrder) -> Machine:
        name = tags.machine_name(order.run, order.host)
        asked: dict[str, Any] = {"name": name, "image": self._image(order.wish), "size": self._size(order.wish)}
        asked[str(self._user_data)] = order.user_data
        if (location := self._location(order.wish)) is not None:
            asked["location"] = location
        if "ex_metadata" in self._takes:
            asked["ex_metadata"] = dict(order.tags)

        def once(driver: Any) -> Any:
            there = [node for node in driver.list_nodes() if node.name == name and _state(node) != "gone"]
            return there[0] if there else driver.create_node(**asked)

        return replace(_machine(self._account.carry_out(once)), run=order.run, host=order.host)

    def machines(self, run: str) -> list[Machine]:
        prefix = f"{tags.name_of(run)}-"
        nodes = [node for node in self._account.ask("list_nodes") if str(node.name).startswith(prefix)]
        return [replace(_machine(node), run=run, host=str(node.name).removeprefix(prefix)) for node in nodes]

    def settle(self, machine: Machine, order: MachineOrder) -> Machine:
        return machine

    def end(self, machine: Machine) -> bool:
        node = next((node for node in self._account.ask("list_nodes") if str(node.id) == machine.id), None)
        if node is not None:
            self._account.ask("destroy_node", node)
        return node is not None

    def remove_rest(self, run: str) -> list[str]:
        return []

    def runs(self, installation: str) -> set[str]:
        """Of machines with tags; of others nobody could tell whose they are."""
        nodes = self._account.ask("list_nodes")
        named = [_tags(node) for node in nodes]
        return {each[tags.RUN] for each in named if each.get(tags.INSTALLATION) == installation and tags.RUN in each}

    @cached_property
    def _takes(self) -> Mapping[str, inspect.Parameter]:
        """What its driver takes for a new machine; which driver that is, of several versions, is seen when there is one."""
        return self._account.carry_out(lambda driver: inspect.signature(driver.create_node).parameters)

    @property
    def _user_data(self) -> str | None:
        return next((name for name in _USER_DATA if name in self._takes), None)

    def _image(self, wish: Wish) -> Any:
        return self._named("image", wish.image, self._account.ask("list_images"))

    def _size(self, wish: Wish) -> Any:
        return self._named("size", wish.size, self._account.ask("list_sizes"))

    def _location(self, wish: Wish) -> Any:
        if not wish.zone:
            return None
        return self._named("zone", wish.zone, self._account.ask("list_locations"))

    def _named(self, setting: str, wanted: str, there: list[Any]) -> Any:
        for thing in there:
            if wanted in (str(thing.id), str(thing.name), str(thing.extra.get("slug"))):
                return thing
        raise NotFound(f"{setting}: {self.name} has no {setting} {wanted!r}; there are {len(there)} others")


def _machine(node: Any) -> Machine:
    state = _state(node)
    reason = "" if state in ("coming", "running") else f"its state is {node.state}"
    public, private = next(iter(node.public_ips), ""), next(iter(node.private_ips), "")
    return Machine(str(node.id), "", "", state, str(public or ""), str(private or ""), reason)


def _tags(node: Any) -> Mapping[str, str]:
    """What some drivers give as a mapping; of others there are none to go by."""
    named = node.extra.get("metadata") or node.extra.get("tags")
    return cast(Mapping[str, str], named) if isinstance(named, Mapping) else {}


def _state(node: Any) -> MachineState:
    return _STATES.get(str(node.state), "failed")
