"""A router between networks: the kernel of a namespace of its own, with multicast routes of one source that stand."""

import ctypes
import socket
import struct

_MRT_INIT, _MRT_ADD_VIF, _MRT_ADD_MFC = 200, 202, 204  # <linux/mroute.h>
_USE_IFINDEX = 8
_VIFS = 32


class Router:
    """A kernel host at several networks. Multicast that comes in elsewhere than from the source is dropped, as routers do.

    `attachments`: (network, address/prefix) from the source's side downwards.
    """

    def __init__(self, name, attachments):
        (network, address), *others = attachments
        self.host = network.host(name, address, kernel=True)
        for number, (other, at) in enumerate(others, 1):
            self.host.plug(at, f'eth{number}', network=other)
        for name, value in (('ip_forward', 1), ('conf.all.rp_filter', 0), ('conf.default.rp_filter', 0)):
            self.host.namespace.run('sysctl', '-qw', f'net.ipv4.{name}={value}')
        for cable in self.host.cables:
            self.host.namespace.run('sysctl', '-qw', f'net.ipv4.conf.{cable.device}.rp_filter=0')
        self.socket = None

    def route(self, prefix, gateway):
        self.host.namespace.ip('route', 'add', prefix, 'via', gateway)

    def forward(self, source, *groups):
        """What `source` sends to the groups goes from the first network to all others, until close()."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open('/proc/self/ns/net', 'rb') as home, open(f'/run/netns/{self.host.namespace.name}', 'rb') as there:
            if libc.setns(there.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), 'setns')
            try:
                self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
                indices = [socket.if_nametoindex(cable.device) for cable in self.host.cables]
            finally:
                libc.setns(home.fileno(), 0)
        self.socket.setsockopt(socket.IPPROTO_IP, _MRT_INIT, 1)
        for vif, index in enumerate(indices):
            self.socket.setsockopt(socket.IPPROTO_IP, _MRT_ADD_VIF,
                                   struct.pack('HBBIi4x', vif, _USE_IFINDEX, 1, 0, index))
        thresholds = bytes(0 if vif == 0 or vif >= len(indices) else 1 for vif in range(_VIFS))
        for group in groups:
            self.socket.setsockopt(socket.IPPROTO_IP, _MRT_ADD_MFC,
                                   socket.inet_aton(source) + socket.inet_aton(group) +
                                   struct.pack(f'H{_VIFS}s2xIIIi', 0, thresholds, 0, 0, 0, 0))

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None
