"""A cable with latency: ``cable.py ROUND_TRIP_SECONDS`` joins this network with a new one, and carries each packet late.

Not every kernel can delay packets by itself (netem), but every one has TUN devices. The program writes the address of the far
end when the cable is in, and pulls it out when its standard input ends. It lives in the new network, which vanishes with it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

CLONE_NEWNET = 0x40000000  # linux/sched.h
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
MTU = 9000  # large packets, so that this program is not what limits the throughput
BURST = 64


def tun() -> tuple[int, str]:
    """Make a TUN device in the network of this process: its descriptor, and the name that the kernel chose."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    answer = fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", b"slow%d", IFF_TUN | IFF_NO_PI))
    return descriptor, answer[:16].rstrip(b"\0").decode()


def plug(device: str, own: str, peer: str) -> None:
    """Give the device its own address and the one at the other end."""
    subprocess.run(["ip", "address", "add", own, "peer", peer, "dev", device], check=True)
    subprocess.run(["ip", "link", "set", device, "mtu", str(MTU), "txqueuelen", "5000", "up"], check=True)


def enter_new_network() -> None:
    """Move this process to a network namespace of its own."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "no new network namespace")


def packets(device: int) -> Iterator[bytes]:
    """What waits at the device, at most one burst of it."""
    with suppress(BlockingIOError):
        for _ in range(BURST):
            yield os.read(device, MTU)


def carry(near: int, far: int, delay: float) -> None:
    """Move packets both ways, each ``delay`` seconds after it came, until standard input ends."""
    other = {near: far, far: near}
    flying: deque[tuple[float, int, bytes]] = deque()  # one delay for all: the first in is the first out
    while True:
        patience = max(0.0, flying[0][0] - time.monotonic()) if flying else None
        ready, _, _ = select.select([near, far, 0], [], [], patience)
        if 0 in ready:
            return
        for end in ready:
            due = time.monotonic() + delay
            flying.extend((due, other[end], packet) for packet in packets(end))
        while flying and flying[0][0] <= time.monotonic():
            _, end, packet = flying.popleft()
            with suppress(OSError):  # a full or closed device loses the packet, as a wire would
                os.write(end, packet)


def main(round_trip: float) -> None:
    near, device = tun()
    number = int(device.removeprefix("slow"))  # unique on the machine, so the addresses are too
    network, host = f"10.231.{number // 64}", number % 64 * 4
    here, there = f"{network}.{host + 1}", f"{network}.{host + 2}"
    plug(device, here, there)
    enter_new_network()
    far, device = tun()
    plug(device, there, here)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    sys.stdout.write(there + "\n")
    sys.stdout.flush()
    carry(near, far, round_trip / 2)


if __name__ == "__main__":
    main(float(sys.argv[1]))
