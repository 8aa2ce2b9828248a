"""A program with ordinary reliable-multicast sockets, run by test_wsrm.py under `fanfare run`: it does what its input says
(pickled: number, target, method, arguments, whether in a thread of its own) and says how that ended."""

import os
import pickle
import signal
import socket
import sys
import threading

things = {}
lock = threading.Lock()


def shown(value):
    """Sockets stay here: outside they are numbers."""
    if isinstance(value, socket.socket):
        number = len(things) + 1
        things[number] = value
        return ('socket', number)
    return tuple(shown(v) for v in value) if type(value) is tuple else value


def as_they_are(kind, protocol=113, family=socket.AF_INET):
    return socket.socket(family, kind, protocol)


def into(number, room):
    """One recv into `room` octets: what it returned or its errno, and all of the buffer."""
    buffer = bytearray(room)
    try:
        return things[number].recv_into(buffer), bytes(buffer)
    except OSError as error:
        return -error.errno, bytes(buffer)


def as_file(number, data):
    return os.write(things[number].fileno(), data)


def from_file(number, room):
    return os.read(things[number].fileno(), room)


def send_list(number, messages):
    for message in messages:
        things[number].send(message)


def send_until_full(number, piece):
    """Non-blocking sends until one fails: how many octets were taken, and the errno."""
    taken = 0
    while True:
        try:
            taken += things[number].send(piece, socket.MSG_DONTWAIT)
        except OSError as error:
            return taken, error.errno


def send_pieces(number, octets, piece):
    """A pattern of `octets`, sent `piece` at a time."""
    pattern = bytes(i % 251 for i in range(251)) * (piece // 251 + 2)
    at = 0
    while at < octets:
        n = min(piece, octets - at)
        at += things[number].send(memoryview(pattern)[at % 251:at % 251 + n])
    return at


def receive_message(number, piece):
    """One message by recvmsg in parts of at most `piece`: its length, its parts, whether all is the pattern, and
    whether MSG_EOR stood on the last part alone."""
    pattern = bytes(i % 251 for i in range(251)) * (piece // 251 + 2)
    length = parts = 0
    equal = True
    while True:
        data, _control, flags, _peer = things[number].recvmsg(piece)
        equal = equal and data == memoryview(pattern)[length % 251:length % 251 + len(data)]
        length += len(data)
        parts += 1
        if flags & socket.MSG_EOR:
            return length, parts, equal


def keep_default(number):
    signal.signal(number, signal.SIG_DFL)


def close_all():
    for thing in things.values():
        thing.close()
    things.clear()


def answer(number, target, method, arguments):
    try:
        call = getattr(things[target], method) if target else globals()[method]
        said = True, shown(call(*arguments))
    except BaseException as error:
        said = False, error if isinstance(error, OSError) else RuntimeError(repr(error))
    with lock:
        pickle.dump((number, *said), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def main():
    while True:
        try:
            number, target, method, arguments, aside = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        if aside:
            threading.Thread(target=answer, args=(number, target, method, arguments), daemon=True).start()
        else:
            answer(number, target, method, arguments)


main()
