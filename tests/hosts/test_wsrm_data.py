"""Data of reliable-multicast sockets between two hosts: messages and streams, boundaries, partial reads, full windows, loss,
resets and statistics, by the calls of an unmodified program. The numbers are those of docs/windows-compatibility.md."""

import errno
import os
import socket
import struct
import time

from harness import suite
from harness.packets import Thrower, ethernet, ipv4, multicast_mac
from harness.process import wait_until
from harness.stage import (BOUNDARY, FEC, NARROW, RDM, RM, STREAM, StageTest, receiver_statistics, sender_statistics)


class Data(StageTest):
    def receive_all(self, receiver, count, room=1 << 20):
        return [receiver.recv(room) for _ in range(count)]

    def test_every_call_sends_and_receives(self):
        """Checks 90, 91 and 109."""
        sender, receiver = self.pair()
        for message, call in ((b'send', sender.send), (b'sendall', sender.sendall)):
            call(message)
        sender.sendto(b'sendto', self.group)
        sender.sendmsg([b'send', b'msg'])
        self.near.call('as_file', sender.number, b'write')
        self.assertEqual(receiver.recv(100), b'send')
        self.assertEqual(receiver.recvfrom(100), (b'sendall', receiver.getpeername()))
        self.assertEqual(receiver.recvmsg(100)[0], b'sendto')
        self.assertEqual(self.far.call('from_file', receiver.number, 100), b'sendmsg')
        self.assertEqual(receiver.ask('into', 5), (5, b'write'))

    def test_three_messages_are_three_packets(self):
        """Checks 91 and 92; and 100: an empty one is one too."""
        capture = self.capture()
        sender, receiver = self.pair()
        begun = len(capture.packets(self.group[0], 'ODATA'))
        messages = [bytes([n]) * 100 for n in range(3)]
        for message in messages:
            sender.send(message)
        self.assertEqual(self.receive_all(receiver, 3), messages)
        self.assertEqual(len(capture.packets(self.group[0], 'ODATA')) - begun, 3)
        self.assertEqual(sender.send(b''), 0)
        sender.send(b'after')
        self.assertEqual(self.receive_all(receiver, 2), [b'', b'after'])

    def test_a_stream_keeps_octets_and_their_order(self):
        """Check 93."""
        sender, receiver = self.pair(STREAM)
        data = os.urandom(300_000)
        for at in range(0, len(data), 1000):
            sender.send(data[at:at + 1000])
        got = b''
        while len(got) < len(data):
            got += receiver.recv(70_000)
        self.assertEqual(got, data)

    def test_a_full_window(self):
        """Checks 94, 95, 98 and 99: EAGAIN, a wait that an advance ends, SO_SNDTIMEO, EMSGSIZE for what never fits."""
        sender = self.sender(window=(8_000, 1000, 0))
        taken, error = sender.ask('send_until_full', bytes(10_000))
        self.assertEqual(error, errno.EAGAIN)
        self.assertGreater(taken, 100_000)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('qq', 0, 50_000))
        sender.ask('send_until_full', bytes(10_000))
        self.refused(errno.EAGAIN, sender.send, bytes(10_000))
        self.refused(errno.EMSGSIZE, sender.send, bytes(8_000_000), socket.MSG_DONTWAIT)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('qq', 0, 0))
        waiting = sender.later('send', bytes(10_000))
        self.assertFalse(waiting.done())
        self.assertEqual(waiting.result(20), 10_000)

    def test_a_message_larger_than_the_window_goes_whole(self):
        """Checks 97 and 114."""
        sender, receiver = self.pair(window=NARROW)
        message = os.urandom(4_000_000)
        sending = sender.later('send', message)
        self.assertEqual(receiver.recv(5_000_000), message)
        self.assertEqual(sending.result(), len(message))

    def test_a_boundary_makes_one_message_of_many_sends(self):
        """Checks 101, 102, 103, 104, 105 and 107; before connect, too."""
        sender = self.make()
        sender.setsockopt(RM, BOUNDARY, 6)
        listener = self.listener()
        sender.connect(self.group)
        sender.send(b'abc')
        sender.send(b'def')
        receiver = self.accept(listener)
        self.assertEqual(receiver.recv(100), b'abcdef')
        sender.setsockopt(RM, BOUNDARY, 2_000_000)
        data = os.urandom(2_000_000)
        for at in range(0, len(data), 100_000):
            sender.send(data[at:at + 100_000])
        sender.send(b'alone')
        self.assertEqual(receiver.recv(3_000_000), data)
        self.assertEqual(receiver.recv(100), b'alone')
        sender.setsockopt(RM, BOUNDARY, 10)
        sender.send(b'12345')
        self.refused(errno.EINVAL, sender.setsockopt, RM, BOUNDARY, 20)
        self.refused(errno.EMSGSIZE, sender.send, b'toolong')
        self.assertEqual(sender.send(b''), 0)
        sender.send(b'67890')
        self.assertEqual(receiver.recv(100), b'1234567890')
        for message in (b'x', b'y' * 5000):
            sender.setsockopt(RM, BOUNDARY, len(message))
            sender.send(message)
            self.assertEqual(receiver.recv(10_000), message)
        sender.setsockopt(RM, BOUNDARY, 10)
        sender.setsockopt(RM, BOUNDARY, 0)
        sender.send(b'0 disarms')
        self.assertEqual(receiver.recv(100), b'0 disarms')
        self.refused(errno.ENOPROTOOPT, self.make(STREAM).setsockopt, RM, BOUNDARY, 10)

    def test_an_open_message_at_shutdown_is_a_reset(self):
        """Check 108."""
        sender, receiver = self.pair()
        sender.setsockopt(RM, BOUNDARY, 100_000)
        sender.send(bytes(50_000))
        sender.shutdown(socket.SHUT_WR)
        self.refused(errno.ECONNRESET, receiver.recv, 200_000)

    def test_a_message_of_two_hundred_megabytes_in_pieces(self):
        """Checks 101 and 113 at size: far more than both windows hold, sent and read in parts."""
        size = 200_000_000
        sender, receiver = self.pair(window=(400_000, 0, 32 << 20))
        sender.setsockopt(RM, BOUNDARY, size)
        reading = receiver.ask_later('receive_message', 251 * 4000)
        sending = sender.ask_later('send_pieces', size, 251 * 3000)
        length, parts, equal = reading.result(120)
        self.assertEqual((sending.result(), length, equal), (size, size, True))
        self.assertGreaterEqual(parts, size // (251 * 4000))

    def test_a_message_is_read_in_parts(self):
        """Checks 112 and 113."""
        sender, receiver = self.pair()
        message = os.urandom(2500)
        for _ in range(2):
            sender.send(message)
        for at in (0, 1000):
            self.assertEqual(receiver.ask('into', 1000), (-errno.EMSGSIZE, message[at:at + 1000]))
        self.assertEqual(receiver.ask('into', 500), (500, message[2000:]))
        seen = [receiver.recvmsg(1000) for _ in range(3)]
        self.assertEqual(b''.join(part[0] for part in seen), message)
        self.assertEqual([part[2] & (socket.MSG_EOR | socket.MSG_TRUNC) for part in seen], [0, 0, socket.MSG_EOR])

    def test_data_in_order_does_not_wait_for_what_comes_later(self):
        """Check 111: each message is there before the next one is sent."""
        sender, receiver = self.pair()
        for number in range(20):
            sender.send(b'%d' % number)
            self.assertEqual(receiver.recv(10), b'%d' % number)

    def test_loss_disorder_and_copies_are_not_seen(self):
        """Checks 110, 118, 169: every message once and in order, with frames lost, thrown in again late, and copied."""
        listener = self.listener()
        self.hosts[1].cable.lose(2, towards=True)
        capture = self.raw_capture()
        sender = self.sender()
        messages = [b'%06d' % n * 100 for n in range(3000)]
        sending = sender.ask_later('send_list', messages)
        receiver = self.accept(listener)
        thrower = Thrower(self.network.middle, self.hosts[1].cable.port)
        self.addCleanup(thrower.close)
        thrown, got = 0, []
        for frame in self.frames(capture, len(messages) // 2):
            # Every eighth frame again, as it was, at some later moment.
            thrown += 1
            if thrown % 8 == 0:
                thrower.throw(frame)
        got = self.receive_all(receiver, len(messages))
        self.assertEqual(got, messages)
        sending.result()
        self.assertTrue(wait_until(lambda: receiver_statistics(receiver)['DataBytesReceived'] >= 600 * len(messages), 10))
        figures = receiver_statistics(receiver)
        self.assertGreater(figures['NumDuplicateDataPackets'], 50)
        self.assertGreater(figures['NumRDataPacketsReceived'], 10)
        self.assertEqual(figures['DataBytesReceived'], 600 * len(messages))

    def raw_capture(self):
        capture = self.capture()
        capture.socket.setblocking(True)
        capture.socket.settimeout(10)
        return capture

    def frames(self, capture, count):
        """So many ODATA frames of this test's group, as they pass."""
        while count:
            frame = capture.socket.recv(65536)
            if frame[23:24] == b'\x71' and socket.inet_ntoa(frame[30:34]) == self.group[0] and \
                    frame[14 + (frame[14] & 15) * 4 + 4] & 15 == 4:
                count -= 1
                yield frame

    def test_loss_beyond_repair_is_a_reset(self):
        """Checks 119 and 121: silence longer than the window, then data whose forerunners nobody has any more."""
        sender, receiver = self.pair(window=NARROW)
        self.hosts[1].cable.lose(100, towards=True)
        for _ in range(20):
            sender.send(bytes(1000))
        time.sleep(1)
        self.hosts[1].cable.heal()
        for _ in range(5):
            sender.send(b'too far ahead')
        for _ in range(2):
            self.refused(errno.ECONNRESET, receiver.recv, 2000)

    def test_a_reader_that_is_too_slow_is_reset(self):
        """Check 120: it does not read while many times its window pass; the sender goes on."""
        sender, receiver = self.pair(window=(400_000, 0, 8 << 20))
        sender.ask_later('send_pieces', 100_000_000, 100_000).result(60)

        def ends():
            try:
                while True:
                    receiver.recvmsg(1 << 20)
            except OSError as error:
                return error.errno
        self.assertEqual(ends(), errno.ECONNRESET)

    def test_what_was_reset_may_be_accepted_again_and_what_finished_not(self):
        """Check 126."""
        listener = self.listener()
        sender = self.sender(window=NARROW)
        sender.send(b'first')
        receiver = self.accept(listener)
        self.assertEqual(receiver.recv(10), b'first')
        peer = receiver.getpeername()
        self.hosts[1].cable.lose(100, towards=True)
        for _ in range(20):
            sender.send(bytes(1000))
        time.sleep(1)
        self.hosts[1].cable.heal()
        sender.send(b'x')
        self.refused(errno.ECONNRESET, receiver.recv, 2000)
        receiver.close()
        time.sleep(0.5)
        sender.send(b'heard again')
        again, other = listener.accept()
        self.assertEqual(other, peer)
        again.settimeout(20)
        self.assertEqual(again.recv(100), b'heard again')
        sender.shutdown(socket.SHUT_WR)
        self.refused(errno.ESHUTDOWN, again.recv, 100)
        again.close()
        listener.settimeout(1)
        with self.assertRaises(TimeoutError):
            listener.accept()

    def test_statistics_of_a_session_with_repairs(self):
        """Checks 166 and 168: payload once, everything on the wire; as many repairs as the wire saw."""
        capture = self.capture()
        listener, sender = self.listener(), self.sender()
        self.hosts[1].cable.drop_first(20, 4, towards=True)
        for _ in range(100):
            sender.send(bytes(1000))
        receiver = self.accept(listener)
        self.assertEqual(len(b''.join(self.receive_all(receiver, 100))), 100_000)
        def repairs():
            return [p for p in capture.packets(self.group[0], 'RDATA') if p.source == '10.77.0.1']
        def told():
            figures = sender_statistics(sender)
            return figures['TotalODataPacketsSent'] == 100 and figures['RepairPacketsSent'] == len(repairs()) >= 20
        # A worker tells its figures some times a second.
        self.assertTrue(wait_until(told, 10), (sender_statistics(sender), len(repairs())))
        figures = sender_statistics(sender)
        wire = [p for p in capture.packets(self.group[0]) if p.source == '10.77.0.1']
        self.assertEqual(figures['DataBytesSent'], 100_000)
        self.assertEqual(figures['TotalODataPacketsSent'], 100)
        # From the PGM header on: without the 24 octets of IP with Router Alert, or the 20 without.
        data = sum(p.length - (20 if p.kind == 'ODATA' else 24) for p in wire if p.kind in ('ODATA', 'RDATA'))
        self.assertGreater(data, 120_000)
        self.assertGreaterEqual(figures['TotalBytesSent'], data)
        self.assertLess(figures['TotalBytesSent'], data + 80 * (len([p for p in wire if p.kind == 'SPM']) + 4))

    def test_parity_on_demand_is_asked_for_and_counted(self):
        """Checks 56, 57 and 171: no option at the receiver; parity is asked for, packets are not."""
        capture = self.capture()
        listener, sock = self.listener(), self.make()
        sock.setsockopt(RM, FEC, struct.pack('=HHBB', 255, 0, 8, 1))
        sock.connect(self.group)
        sock.send(b'begin')
        receiver = self.accept(listener)
        self.hosts[1].cable.drop_first(2, 4, towards=True)
        messages = [b'%d' % n * 50 for n in range(8 * 8 - 1)]
        for message in messages:
            sock.send(message)
        self.assertEqual(self.receive_all(receiver, 64), [b'begin'] + messages)
        self.assertTrue(wait_until(lambda: receiver_statistics(receiver)['TotalParityNaksSent'] > 0, 10))
        figures = receiver_statistics(receiver)
        self.assertEqual(figures['TotalSelectiveNaksSent'], 0)
        naks = [p for p in capture.packets(kind='NAK')]
        ours = [p for p in naks if p.dport == receiver.getpeername()[1]]
        self.assertTrue(ours and all(p.flags & 0x80 for p in ours))


if __name__ == '__main__':
    suite.main()
