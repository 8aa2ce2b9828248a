"""PGM packets as they pass a cable's end at the bridge."""

import collections
import ctypes
import os
import socket
import struct
import time

from .packets import NAK, NCF, ODATA, RDATA, SPM
from .process import wait_until

OPT_END, OPT_JOIN, OPT_FRAGMENT, OPT_PARITY_PRM, OPT_SYN, OPT_FIN, OPT_RST = 0x80, 0x03, 0x01, 0x08, 0x0D, 0x0E, 0x0F
NAMES = {SPM: 'SPM', ODATA: 'ODATA', RDATA: 'RDATA', NAK: 'NAK', NCF: 'NCF'}
_FIXED = {SPM: 20, ODATA: 8, RDATA: 8, NAK: 20, NCF: 20}  # octets between the common header and the options, IPv4

# `options`: type -> its octets after type and length; `flags` is the header's octet of options, 0x80 means parity.
Packet = collections.namedtuple('Packet', 'when source destination ttl kind sport dport flags sqn options length')


def parse(frame, when=0.0):
    """The raw PGM packet in an Ethernet frame, or None."""
    if len(frame) < 34 or frame[12:14] != b'\x08\0' or frame[23] != 113:
        return None
    total, = struct.unpack_from('>H', frame, 16)
    ip = frame[14:14 + total]
    pgm = ip[(ip[0] & 15) * 4:]
    sport, dport, kind, flags = struct.unpack_from('>HHBB', pgm)
    kind &= 15
    if kind not in _FIXED:
        return None
    sqn, = struct.unpack_from('>I', pgm, 16)
    options, at = {}, 16 + _FIXED[kind]
    if flags & 1:
        at += 4  # OPT_LENGTH
        while at + 2 <= len(pgm):
            name, length = pgm[at] & 0x7F, pgm[at + 1]
            options[name] = pgm[at + 2:at + length]
            if pgm[at] & OPT_END or length < 4:
                break
            at += length
    return Packet(when, socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20]), ip[8], NAMES[kind], sport, dport, flags,
                  sqn, options, total)


def in_namespace(namespace, action):
    """What `action` returns, called with this thread inside `namespace`: a socket stays where it was made."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(path):
        with open(path, 'rb') as there:
            if libc.setns(there.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)

    home = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
    try:
        enter(f'/run/netns/{namespace.name}')
        try:
            return action()
        finally:
            enter(f'/proc/self/fd/{home}')
    finally:
        os.close(home)


class Capture:
    """Everything of PGM at one cable, both ways, from its construction on."""

    def __init__(self, cable):
        def open_socket():
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            opened.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
            opened.bind((cable.port, 3))
            opened.setblocking(False)
            return opened
        self.socket, self.all = in_namespace(cable.network.middle, open_socket), []

    def packets(self, group=None, kind=None):
        """What has passed so far, of one group and type."""
        while True:
            try:
                frame = self.socket.recv(65536)
            except BlockingIOError:
                break
            packet = parse(frame, time.monotonic())
            if packet:
                self.all.append(packet)
        return [p for p in self.all if (group is None or p.destination == group) and kind in (None, p.kind)]

    def await_packets(self, condition, group=None, kind=None, seconds=10):
        """The packets, as soon as `condition` holds for them."""
        if not wait_until(lambda: condition(self.packets(group, kind)), seconds):
            raise AssertionError(f'{kind} of {group}: {self.packets(group)[-20:]}')
        return self.packets(group, kind)

    def close(self):
        self.socket.close()
