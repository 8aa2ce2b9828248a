"""A program with ordinary UDP sockets, run by test_datagram.py under `fanfare run --datagram`: it takes one command a
line from its input and answers each with one line of JSON."""

import ctypes
import errno
import json
import select
import socket
import struct
import sys
import threading

IP = socket.IPPROTO_IP
# Python has names for the first two only.
CALLS = {'add': 35, 'drop': 36, 'unblock': 37, 'block': 38, 'add_source': 39, 'drop_source': 40}
TWINS = {'add': 42, 'block': 43, 'unblock': 44, 'drop': 45, 'add_source': 46, 'drop_source': 47}
IP_PKTINFO, IP_MSFILTER, MCAST_MSFILTER = 8, 41, 48
MODES = ['exclude', 'include']
LIBC = ctypes.CDLL(None, use_errno=True)

sockets = {}


def storage(address):
    return struct.pack('=H2s4s120x', socket.AF_INET, b'', socket.inet_aton(address))


def membership(name, call, group, interface='0.0.0.0', source=None, twin=False):
    if twin:
        value = struct.pack('@I4x', 0) + storage(group) + (storage(source) if call not in ('add', 'drop') else b'')
        number = TWINS[call]
    else:
        value = socket.inet_aton(group) + socket.inet_aton(interface)
        if call not in ('add', 'drop'):
            value += socket.inet_aton(source)
        number = CALLS[call]
    try:
        sockets[name].setsockopt(IP, number, value)
        return 'ok'
    except OSError as error:
        return errno.errorcode[error.errno]


def filter_of(name, form, group, mode=None, *sources):
    """IP_MSFILTER or MCAST_MSFILTER: sets a mode and sources, or without a mode gets them."""
    own, general = sockets[name], form == 'mcast'
    one = storage if general else socket.inet_aton
    head = (struct.pack('@I4x', 0) + storage(group)) if general else socket.inet_aton(group) + bytes(4)
    option = MCAST_MSFILTER if general else IP_MSFILTER
    try:
        if mode is not None:
            value = head + struct.pack('=II', MODES.index(mode), len(sources)) + b''.join(one(s) for s in sources)
            own.setsockopt(IP, option, value)
            return 'ok'
        # Python's getsockopt hands in no value; libc's does, and the preload library stands before libc.
        room = len(head) + 8 + 64 * len(one('0.0.0.0'))
        value = ctypes.create_string_buffer(head + struct.pack('=II', 0, 64), room)
        length = ctypes.c_uint32(room)
        if LIBC.getsockopt(own.fileno(), IP, option, value, ctypes.byref(length)) != 0:
            return errno.errorcode[ctypes.get_errno()]
        mode, count = struct.unpack_from('=II', value.raw, len(head))
        at, step = (len(head) + 8 + 4, 128) if general else (len(head) + 8, 4)
        return [MODES[mode], *(socket.inet_ntoa(value.raw[at + i * step:][:4]) for i in range(count))]
    except OSError as error:
        return errno.errorcode[error.errno]


def receive(name, seconds):
    """Whatever comes until nothing has come for `seconds`."""
    got = []
    while select.select([sockets[name]], [], [], seconds)[0]:
        data, control, flags, sender = sockets[name].recvmsg(65536, 256, socket.MSG_DONTWAIT)
        info = [socket.inet_ntoa(c[8:12]) for level, kind, c in control if (level, kind) == (IP, IP_PKTINFO)]
        got.append([data.decode(), sender[0], info])
    return got


def blocking(name):
    """A blocking receive, an answer by another thread's send: sleeping and waking."""
    own = sockets[name]
    own.settimeout(None)
    port = own.getsockname()[1]
    timer = threading.Timer(0.3, lambda: own.sendto(b'wake', ('239.77.9.9', port)))
    timer.start()
    data, sender = own.recvfrom(100)
    timer.join()
    return data.decode()


def attempt(function):
    try:
        return function()
    except OSError as error:
        return errno.errorcode[error.errno]


def run(words):
    command, name, *rest = words
    if command == 'open':
        own = sockets[name] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.setsockopt(IP, IP_PKTINFO, 1)
        own.bind(('', int(rest[0])))
        return own.type.name
    if command == 'close':
        sockets.pop(name).close()
        return 'ok'
    if command == 'member':
        call, group, *source = rest
        twin = call.startswith('mcast_')
        return membership(name, call.removeprefix('mcast_'), group, source=source[0] if source else None, twin=twin)
    if command == 'filter':
        return filter_of(name, *rest)
    if command == 'send':
        group, port, *texts = rest
        for text in texts:
            sockets[name].sendto(text.encode(), (group, int(port)))
        return 'ok'
    if command == 'large':
        return attempt(lambda: sockets[name].sendto(bytes(int(rest[0])), ('239.77.9.9', 9)))
    if command == 'truncate':
        data, _, flags, _ = sockets[name].recvmsg(int(rest[0]))
        return [data.decode(), bool(flags & socket.MSG_TRUNC)]
    if command == 'empty':
        return attempt(lambda: sockets[name].recv(10, socket.MSG_DONTWAIT))
    if command == 'receive':
        return receive(name, float(rest[0]))
    if command == 'blocking':
        return blocking(name)
    if command == 'options':
        sockets[name].setsockopt(IP, socket.IP_MULTICAST_TTL, 7)
        sockets[name].setsockopt(IP, socket.IP_MULTICAST_LOOP, 0)
        got = [sockets[name].getsockopt(IP, socket.IP_MULTICAST_TTL),
               sockets[name].getsockopt(IP, socket.IP_MULTICAST_LOOP)]
        sockets[name].setsockopt(IP, socket.IP_MULTICAST_LOOP, 1)
        return got
    raise ValueError(command)


for line in sys.stdin:
    print(json.dumps(run(line.split())), flush=True)
