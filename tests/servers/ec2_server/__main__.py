"""A cloud as a process: ``python -m tests.servers.ec2_server SETTINGS``, with the settings in JSON.

It writes its port as a line of JSON. Then every line that it reads is a word for ``Control`` with its arguments, and every line
that it writes is an answer. When there is no more to read, whoever started it is gone, and so is the cloud.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, TextIO

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from tests.servers.ec2_server import answers, instances
from tests.servers.ec2_server.cloud import Cloud, Settings
from tests.servers.ec2_server.control import Control
from tests.servers.ec2_server.endpoint import Endpoint


class Handler(MotoRequestHandler):
    """Writes no line for each request: ``Control.calls`` knows them."""

    def log_request(self, *_: Any) -> None:
        pass


def obey(control: Control, orders: TextIO, replies: TextIO) -> None:
    """Answer until there are no more orders."""
    for line in orders:
        word, arguments = json.loads(line)
        try:
            reply = {"result": getattr(control, word)(**arguments)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told
            reply = {"error": repr(error)}
        print(json.dumps(reply), file=replies, flush=True)


def main() -> None:
    # A file of our own: moto prints now and then, and where stdout is unbuffered, of a long line may be written a part.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    sys.stdout = sys.stderr
    cloud = Cloud(Settings(**json.loads(sys.argv[1])))
    instances.install(cloud)
    answers.install(cloud)
    endpoint = Endpoint(cloud.settings)
    server = make_server("127.0.0.1", 0, endpoint, threaded=True, request_handler=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"result": server.server_port}), file=replies, flush=True)
    obey(Control(cloud, endpoint), sys.stdin, replies)


if __name__ == "__main__":
    main()
