"""Hosts that all tests of a class share: starting daemons is what a test of real hosts costs."""

import atexit
import functools
import itertools
import os
import pathlib
import shutil
import signal
import socket
import struct
import tempfile
import unittest

from . import network as network_module
from . import suite
from .daemon import Daemon
from .remote import Program
from .wire import Capture

RM = 113
RDM, STREAM = socket.SOCK_RDM, socket.SOCK_STREAM
(RATE_WINDOW, BOUNDARY, FLUSH, METHOD, SENDER_STATS, LATEJOIN, SEND_IF, ADD_IF, DEL_IF, ADV_RATE, FEC, TTL, RECEIVER_STATS,
 HIGH_SPEED) = range(1001, 1015)
SENDER_FIELDS = ('DataBytesSent TotalBytesSent NaksReceived NaksReceivedTooLate NumOutstandingNaks NumNaksAfterRData '
                 'RepairPacketsSent BufferSpaceAvailable TrailingEdgeSeqId LeadingEdgeSeqId RateKBitsPerSecOverall '
                 'RateKBitsPerSecLast TotalODataPacketsSent').split()
RECEIVER_FIELDS = ('NumODataPacketsReceived NumRDataPacketsReceived NumDuplicateDataPackets DataBytesReceived '
                   'TotalBytesReceived RateKBitsPerSecOverall RateKBitsPerSecLast TrailingEdgeSeqId LeadingEdgeSeqId '
                   'AverageSequencesInWindow MinSequencesInWindow MaxSequencesInWindow FirstNakSequenceNumber '
                   'NumPendingNaks NumOutstandingNaks NumDataPacketsBuffered TotalSelectiveNaksSent '
                   'TotalParityNaksSent').split()
# kbit/s, ms, octets: room on a busy machine; and a window of a megabyte that moves ten times a second.
CALM, NARROW = (100_000, 3000, 0), (80_000, 100, 0)


def sender_statistics(sock):
    return dict(zip(SENDER_FIELDS, struct.unpack('=13Q', sock.getsockopt(RM, SENDER_STATS, 104))))


def receiver_statistics(sock):
    return dict(zip(RECEIVER_FIELDS, struct.unpack('=18Q', sock.getsockopt(RM, RECEIVER_STATS, 144))))


class Owner:
    """What Daemon and Process ask of a test, for a whole class."""

    def __init__(self, cls):
        self.cls = cls
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='fanfare-hosts-'))
        self.undo(functools.partial(shutil.rmtree, self.folder, ignore_errors=True))

    def undo(self, action):
        atexit.register(action)

        def once():
            atexit.unregister(action)
            action()

        self.cls.addClassCleanup(once)

    def keep(self, process):
        self.undo(process.close)
        return process


class StageTest(unittest.TestCase):
    """Two hosts at a bridge, 10.77.0.1 and 10.77.0.2, each with a daemon and a program whose sockets tests hold in
    their hands. Every test has a group of its own."""

    numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        cls.owner = Owner(cls)
        cls.network = network_module.Network()
        cls.owner.undo(cls.network.close)
        cls.hosts = [cls.network.host(f'h{i}', f'10.77.0.{i + 1}/24') for i in range(2)]
        cls.daemons = [Daemon(cls.owner, host, kind='af_packet') for host in cls.hosts]
        cls.near, cls.far = (cls.owner.keep(Program(daemon)) for daemon in cls.daemons)

    def setUp(self):
        def too_long(_number, _frame):
            raise suite.TookTooLong(f'the test ran into its limit of {suite.SECONDS} s')
        signal.signal(signal.SIGALRM, too_long)
        signal.alarm(suite.SECONDS)
        self.addCleanup(signal.alarm, 0)
        self.group = f'239.77.{os.getpid() & 127}.{next(self.numbers)}', 7500
        self.addCleanup(self.near.call, 'close_all')
        self.addCleanup(self.far.call, 'close_all')
        for host in self.hosts:
            self.addCleanup(host.cable.heal)

    def capture(self, host=0):
        capture = Capture(self.hosts[host].cable)
        self.addCleanup(capture.close)
        return capture

    def refused(self, number, call, *arguments):
        with self.assertRaises(OSError) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.errno, number, f'{os.strerror(caught.exception.errno or 0)}, '
                         f'not {os.strerror(number)}')

    def make(self, kind=RDM, program=None, window=CALM):
        """A sender's socket, bound and with its window, not connected."""
        sock = (program or self.near).socket(kind)
        sock.bind(('0.0.0.0', 0))
        sock.setsockopt(RM, RATE_WINDOW, struct.pack('=3I', *window))
        return sock

    def sender(self, kind=RDM, program=None, window=CALM, group=None):
        sock = self.make(kind, program, window)
        sock.connect(group or self.group)
        return sock

    def listener(self, kind=RDM, program=None, group=None):
        sock = (program or self.far).socket(kind)
        sock.bind(group or self.group)
        sock.listen(5)
        sock.settimeout(20)
        return sock

    def accept(self, listener):
        receiver, _peer = listener.accept()
        receiver.settimeout(20)
        return receiver

    def pair(self, kind=RDM, **options):
        """A sender and a receiver of its session that has read the first message."""
        listener, sender = self.listener(kind), self.sender(kind, **options)
        sender.send(b'first')
        receiver = self.accept(listener)
        self.assertEqual(receiver.recv(5 if kind == STREAM else 100), b'first')
        return sender, receiver
