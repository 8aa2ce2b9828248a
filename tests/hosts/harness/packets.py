"""PGM packets made by hand, and a socket that throws whole Ethernet frames at a bridge."""

import random
import socket
import struct

SPM, POLL, POLR, ODATA, RDATA, NAK, NNAK, NCF, SPMR = 0, 1, 2, 4, 5, 8, 9, 10, 12


def ones_complement_sum(octets):
    if len(octets) % 2:
        octets += b'\0'
    total = sum(struct.unpack(f'>{len(octets) // 2}H', octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def with_checksum(tpdu):
    """The packet with its PGM checksum put in (no pseudo-header; 0 goes out as 0xFFFF)."""
    bare = tpdu[:6] + b'\0\0' + tpdu[8:]
    checksum = ~ones_complement_sum(bare) & 0xFFFF or 0xFFFF
    return bare[:6] + struct.pack('>H', checksum) + bare[8:]


def header(sport, dport, kind, options, gsi, tsdu_length):
    return struct.pack('>HHBBH6sH', sport, dport, kind, options, 0, gsi, tsdu_length)


def address(text):
    return socket.inet_aton(text)


def spm(gsi, sport, dport, number, trail, lead, nla, options=b'', flags=0):
    return with_checksum(header(sport, dport, SPM, flags, gsi, 0)
                         + struct.pack('>IIIHH4s', number, trail, lead, 1, 0, address(nla)) + options)


def odata(gsi, sport, dport, sqn, trail, payload, kind=ODATA, options=b'', flags=0):
    return with_checksum(header(sport, dport, kind, flags, gsi, len(payload))
                         + struct.pack('>II', sqn, trail) + options + payload)


def nak(gsi, sport, dport, sqn, source, group, kind=NAK):
    """`sport` and `dport` as on the wire: exchanged in a NAK, as in data for an NCF."""
    return with_checksum(header(sport, dport, kind, 0, gsi, 0)
                         + struct.pack('>IHH4sHH4s', sqn, 1, 0, address(source), 1, 0, address(group)))


def multicast_mac(group):
    octets = address(group)
    return bytes((0x01, 0x00, 0x5E, octets[1] & 0x7F, octets[2], octets[3]))


def ipv4(source, destination, payload, protocol=113, ttl=16, options=b''):
    length = 20 + len(options) + len(payload)
    bare = struct.pack('>BBHHHBBH4s4s', 0x45 + len(options) // 4, 0, length, 0, 0x4000, ttl, protocol, 0,
                       address(source), address(destination)) + options
    checksum = ~ones_complement_sum(bare) & 0xFFFF
    return bare[:10] + struct.pack('>H', checksum) + bare[12:] + payload


def udp(port, payload):
    return struct.pack('>HHHH', port, port, 8 + len(payload), 0) + payload


def ethernet(destination, packet, source=b'\x02\0\0\0\0\x99', kind=0x0800):
    return (destination + source + struct.pack('>H', kind) + packet).ljust(60, b'\0')


def arp_reply(address_of, mac, to, to_mac=b'\xff' * 6):
    """The whole frame: `mac` is `address_of`."""
    return ethernet(to_mac, struct.pack('>HHBBH', 1, 0x0800, 6, 4, 2) + mac + address(address_of) + to_mac + address(to),
                    source=mac, kind=0x0806)


def raw_socket(namespace, interface, protocol):
    """A packet socket at an interface of another namespace; protocol 0 receives nothing, 3 everything."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    with open('/proc/self/ns/net', 'rb') as home, open(f'/run/netns/{namespace.name}', 'rb') as there:
        if libc.setns(there.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), 'setns')
        try:
            out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            out.bind((interface, protocol))
            return out
        finally:
            libc.setns(home.fileno(), 0)


class Listener:
    """Hears every frame at an interface of a namespace and keeps it."""

    def __init__(self, namespace, interface):
        self.socket = raw_socket(namespace, interface, 3)
        self.socket.setblocking(False)
        self.frames = []

    def take(self):
        while True:
            try:
                self.frames.append(self.socket.recv(65536))
            except BlockingIOError:
                return self.frames

    def arp_asked(self, wanted):
        return any(f[12:14] == b'\x08\x06' and f[20:22] == b'\0\1' and f[38:42] == address(wanted) for f in self.take())

    def pgm_to(self, destination, kind):
        """Raw PGM packets of one type to an address."""
        found = []
        for frame in self.take():
            if frame[12:14] != b'\x08\0' or frame[23] != 113 or frame[30:34] != address(destination):
                continue
            tpdu = frame[14 + 4 * (frame[14] & 15):]
            if tpdu[4] == kind:
                found.append(frame)
        return found

    def close(self):
        self.socket.close()


class Thrower:
    """Sends frames out of an interface of a namespace, straight from user memory."""

    def __init__(self, namespace, interface):
        self.socket = raw_socket(namespace, interface, 0)

    def throw(self, frame):
        try:
            self.socket.send(frame)
        except OSError:  # the kernel refuses frames beyond the MTU: not a matter of the receiver
            pass

    def close(self):
        self.socket.close()


class Mutator:
    """Damage to good packets, from a printed seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def mutate(self, tpdu):
        """The packet with a few octets changed, cut, grown or with its lengths wrong; half of them summed right again."""
        octets = bytearray(tpdu)
        for _ in range(self.random.randint(1, 4)):
            action = self.random.randrange(4)
            if action == 0 and octets:
                octets[self.random.randrange(len(octets))] = self.random.randrange(256)
            elif action == 1:
                del octets[self.random.randint(0, len(octets)):]
            elif action == 2:
                octets += self.random.randbytes(self.random.randint(1, 40))
            elif len(octets) > 16:
                octets[self.random.randrange(14, len(octets))] = self.random.choice((0, 1, 3, 4, 0x7F, 0x80, 0xFF))
        result = bytes(octets)
        return with_checksum(result) if len(result) >= 16 and self.random.random() < 0.5 else result
