"""Where moto's words are not those of the real EC2, for a caller who takes them literally, as libcloud does.

Each mend was seen to be needed with moto 5.2 and libcloud 3.9; what real EC2 answers is in the Amazon EC2 API Reference.
"""

from __future__ import annotations

import re

RETURN_TRUE = {  # what answers nothing but success says so
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "CreateTags",
    "DeleteKeyPair",
    "DeleteSecurityGroup",
    "DeleteTags",
    "DeleteVolume",
    "DisassociateAddress",
    "ModifyInstanceAttribute",
    "RebootInstances",
    "ReleaseAddress",
    "RevokeSecurityGroupIngress",
}
ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    "</Errors><RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
)


def request(parameters: dict[str, str]) -> dict[str, str]:
    """The parameters of a call as moto understands them: lists count from one, and a list of one has its number."""
    from_zero = {found[1] for name in parameters if (found := re.match(r"([\w.]+?)\.0(?:\.|$)", name))}
    for prefix in from_zero:
        number = re.compile(rf"{re.escape(prefix)}\.(\d+)")
        parameters = {number.sub(_next, name, count=1): value for name, value in parameters.items()}
    if parameters.get("Action") == "DescribeKeyPairs" and "KeyName" in parameters:
        return {"KeyName.1" if name == "KeyName" else name: value for name, value in parameters.items()}
    return parameters


def answer(action: str, body: bytes) -> bytes:
    """The answer as EC2 writes it: its namespace, none for errors, and ``return`` where that is all there is to say."""
    text = re.sub(r'(xmlns="http://ec2\.amazonaws\.com/doc/[0-9-]+)"', r'\1/"', body.decode())
    text = re.sub(r'<Response xmlns="[^"]*">', "<Response>", text)
    if action in RETURN_TRUE and "<return>" not in text and "<Errors>" not in text:
        end = f"</{action}Response>"
        text = re.sub(rf"<({action}Response[^>]*)/>", rf"<\1>{end}", text).replace(end, f"<return>true</return>{end}")
    return text.encode()


def error(code: str, message: str) -> bytes:
    """The document of an error."""
    return ERROR.format(code=code, message=message).encode()


def error_code(body: bytes) -> str:
    """The code of an error's document."""
    found = re.search(rb"<Code>([^<]+)</Code>", body)
    return found[1].decode() if found else ""


def _next(found: re.Match[str]) -> str:
    prefix, _, _ = found[0].rpartition(".")
    return f"{prefix}.{int(found[1]) + 1}"
