"""EC2's answers where moto's are not those that the books would bear out: limits, client tokens, the console."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import moto.ec2.urls
from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response

from tests.servers.ec2_server.cloud import Cloud

NO_LIMIT = 1000  # what an account is told which has none
PAGE = 1000  # moto gives 100 unless asked, EC2 all of them
PLAIN = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")  # what names and descriptions of security groups may hold
NOT_CHANGED = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."


class Answers(EC2Response):
    """One request."""

    cloud: ClassVar[Cloud]
    tokens: ClassVar[dict[str, tuple[dict[str, Any], ActionResult]]] = {}

    def run_instances(self) -> ActionResult:
        with self.cloud.lock:
            token = self.params.get("ClientToken")
            if token in self.tokens:
                asked, answer = self.tokens[token]
                if asked != self.params:
                    raise EC2ClientError("IdempotentParameterMismatch", NOT_CHANGED)
                return answer
            asked = dict(self.params)
            self.params["MinCount"] = self._count()  # moto starts as many as this says
            answer = super().run_instances()
            if token:
                self.tokens[token] = asked, answer
            return answer

    def create_security_group(self) -> ActionResult:
        for name in ("GroupName", "Description"):
            if not PLAIN.fullmatch(self._get_param(name, "")):
                raise EC2ClientError("InvalidParameterValue", f"Value ({self._get_param(name)}) for parameter {name} is invalid.")
        return super().create_security_group()

    def describe_instances(self) -> ActionResult:
        self.params.setdefault("MaxResults", PAGE)
        return super().describe_instances()

    def get_console_output(self) -> ActionResult:
        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        output = Base64EncodedString.from_raw_string(instance.console())
        return ActionResult({"InstanceId": instance.id, "Timestamp": utcnow(), "Output": output})

    def describe_account_attributes(self) -> ActionResult:
        values = {
            "supported-platforms": "VPC",
            "default-vpc": self.ec2_backend.default_vpc.id,
            "max-instances": str(self.cloud.settings.instance_limit or NO_LIMIT),
            "max-elastic-ips": "5",
            "vpc-max-elastic-ips": "5",
            "vpc-max-security-groups-per-interface": "5",
        }
        asked = self._get_param("AttributeNames", list(values))
        attributes = [{"AttributeName": name, "AttributeValues": [{"AttributeValue": values[name]}]} for name in asked]
        return ActionResult({"AccountAttributes": attributes})

    def _count(self) -> int:
        """How many of the instances that are asked for there can be: as many as possible. Raises EC2ClientError if too few."""
        least, most = int(self._get_param("MinCount", 1)), int(self._get_param("MaxCount", 1))
        if self.cloud.settings.instance_limit is not None:
            room = self.cloud.settings.instance_limit - len(self.ec2_backend.living_instances())
            most = min(most, room)
            if most < least:
                raise EC2ClientError(
                    "InstanceLimitExceeded",
                    f"You have requested more instances ({least}) than your current instance limit allows: {max(room, 0)} more.",
                )
        if self.cloud.capacity is not None:
            most = min(most, self.cloud.capacity)
            if most < least:
                raise EC2ClientError("InsufficientInstanceCapacity", "We currently do not have sufficient capacity.")
        most = min(most, len(self.cloud.addresses))
        if most < least:
            raise EC2ClientError("InsufficientFreeAddressesInSubnet", "There are not enough free addresses in the subnet.")
        return most


def install(cloud: Cloud) -> None:
    """Let moto answer so."""
    Answers.cloud = cloud
    moto.ec2.urls.url_paths["{0}/"] = Answers.dispatch
