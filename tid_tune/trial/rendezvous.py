"""How the ranks of a trial meet: torch.distributed's group, at an address of the first rank's."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

LOOPBACK = "127.0.0.1"
MEETING_SECONDS = 600.0
"""Seconds in which all ranks have to come to the meeting, at most."""
NEVER = 7 * 24 * 3600.0
"""Seconds after which nobody waits any more: torch wants a number."""
_SIOCGIFADDR = 0x8915
_VARIABLES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


@dataclass(frozen=True)
class Meeting:
    """Where the ranks of a trial meet."""

    host: str
    """The address of the first rank's node."""
    port: int
    ranks: int
    patience: float
    """Seconds that a rank waits for the others. The first rank computes the metrics of all
    detections while they wait."""

    @property
    def is_local(self) -> bool:
        """Whether nothing may be reached from other nodes."""
        return self.host == LOOPBACK


def listen(host: str) -> socket.socket:
    """Return a socket that listens at an address of this node alone, on a free port."""
    return socket.create_server((host, 0), backlog=128)


def join(
    meeting: Meeting, rank: int, *, own_address: str, listener: socket.socket | None = None
) -> None:
    """Become a rank, with NCCL where there is a GPU, else with gloo.

    Args:
        meeting: the same for all ranks.
        rank: from 0.
        own_address: of this node, which the others reach it at.
        listener: of the first rank, see `listen`; the meeting names its port.
    """
    interface = interface_of(LOOPBACK if meeting.is_local else own_address)
    for name in _VARIABLES if interface else ():
        os.environ.setdefault(name, interface)
    patience = timedelta(seconds=meeting.patience)
    store = dist.TCPStore(  # type: ignore[attr-defined]  # torch does not list what it offers
        meeting.host,
        meeting.port,
        meeting.ranks,
        is_master=listener is not None,
        timeout=min(patience, timedelta(seconds=MEETING_SECONDS)),
        wait_for_workers=False,
        # Torch's own socket would listen at all addresses of the node.
        master_listen_fd=None if listener is None else listener.detach(),
    )
    dist.init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo",
        store=store,
        rank=rank,
        world_size=meeting.ranks,
        timeout=patience,
    )


def leave() -> None:
    """Leave the ranks, whatever they are doing: those that wait for this one fail at once."""
    if dist.is_initialized():
        dist.destroy_process_group()


def give_up() -> None:
    """Let what this rank waits for fail, from another thread."""
    group = dist.group.WORLD
    if group is not None:
        group.abort()


def interface_of(address: str) -> str:
    """Return the name of the network interface with an IPv4 address; empty: there is none."""
    for _, name in socket.if_nameindex():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
            except OSError:  # it has no address
                continue
        if socket.inet_ntoa(answer[20:24]) == address:
            return name
    return ""


def is_about_others(error: BaseException | None) -> bool:
    """Return whether an error says only that a rank could not be reached, or has left."""
    while error is not None:
        text = str(error)
        if isinstance(error, dist.DistError) or "gloo" in text or "NCCL" in text:
            return True
        error = error.__cause__
    return False
