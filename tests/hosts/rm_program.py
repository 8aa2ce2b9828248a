"""A program with ordinary IPPROTO_RM sockets, run by test_multihoming.py under `fanfare run`: it takes one command a
line from its input and answers each with one line of JSON: a value, or the name of an errno."""

import errno
import json
import select
import socket
import struct
import sys
import threading

RM = 113
OPTIONS = {'send_if': 1007, 'add_receive_if': 1008, 'del_receive_if': 1009}
RM_RATE_WINDOW_SIZE = 1001

sockets, threads, outcomes = {}, {}, {}


def attempt(function):
    try:
        return function()
    except TimeoutError:
        return 'nothing'
    except OSError as error:
        return errno.errorcode[error.errno]


def done(function):
    """'ok' for a call that gives nothing."""
    def call():
        function()
        return 'ok'
    return attempt(call)


def name_of(address):
    return list(address[:2])


def accept(listener, name, seconds):
    """The address that the new session has, or 'nothing'."""
    own = sockets[listener]
    own.settimeout(seconds)

    def call():
        sockets[name], peer = own.accept()
        return name_of(peer)
    return attempt(call)


def receive(name, seconds):
    sockets[name].settimeout(seconds)
    return attempt(lambda: sockets[name].recv(65536).decode())


def drain(name, seconds):
    """How many messages come until an error does, and which: what waited in order is read before a reset shows."""
    sockets[name].settimeout(seconds)
    count = 0
    while True:
        got = attempt(lambda: sockets[name].recv(65536))
        if isinstance(got, str):
            return [count, got]
        count += 1


def flood(name):
    """Sends until a send fails: beside, as it blocks while the window is full."""
    own = sockets[name]
    own.settimeout(None)

    def work():
        while True:
            got = attempt(lambda: own.send(bytes(1000)))
            if isinstance(got, str):
                outcomes[name] = got
                return
    threads[name] = threading.Thread(target=work, daemon=True)
    threads[name].start()
    return 'ok'


def flooded(name, seconds):
    threads[name].join(seconds)
    return outcomes.get(name, 'still sending')


def events(name, seconds):
    poll = select.poll()
    poll.register(sockets[name], select.POLLIN | select.POLLOUT)
    bits = dict(poll.poll(seconds * 1000)).get(sockets[name].fileno(), 0)
    return [word for word, bit in (('error', select.POLLERR), ('hang-up', select.POLLHUP)) if bits & bit]


def run(words):
    command, name, *rest = words
    if command == 'open':
        kind = socket.SOCK_STREAM if rest == ['stream'] else socket.SOCK_RDM
        return done(lambda: sockets.__setitem__(name, socket.socket(socket.AF_INET, kind, RM)))
    own = sockets[name]
    if command == 'bind':
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return done(lambda: own.bind((rest[0], int(rest[1]))))
    if command == 'connect':
        return done(lambda: own.connect((rest[0], int(rest[1]))))
    if command == 'listen':
        return done(lambda: own.listen(10))
    if command == 'set':
        return done(lambda: own.setsockopt(RM, OPTIONS[rest[0]], socket.inet_aton(rest[1])))
    if command == 'get':
        return attempt(lambda: socket.inet_ntoa(own.getsockopt(RM, OPTIONS[rest[0]], 4)))
    if command == 'window':
        rate, milliseconds = int(rest[0]), int(rest[1])
        value = struct.pack('=III', rate, milliseconds, rate * milliseconds // 8)
        return done(lambda: own.setsockopt(RM, RM_RATE_WINDOW_SIZE, value))
    if command == 'send':
        return done(lambda: [own.send(text.encode()) for text in rest])
    if command == 'error':
        return errno.errorcode.get(own.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 'none')
    if command == 'own':
        return attempt(lambda: name_of(own.getsockname()))
    if command == 'close':
        sockets.pop(name).close()
        return 'ok'
    if command == 'accept':
        return accept(name, rest[0], float(rest[1]))
    if command in ('receive', 'drain', 'flooded', 'events'):
        return globals()[command](name, float(rest[0]))
    if command == 'flood':
        return flood(name)
    raise ValueError(command)


for line in sys.stdin:
    print(json.dumps(run(line.split())), flush=True)
