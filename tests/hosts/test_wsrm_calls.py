"""Reliable-multicast sockets of unmodified programs on two hosts: making, binding, connecting, accepting, ending, with the
packets on the wire beside them. The numbers are those of docs/windows-compatibility.md."""

import errno
import itertools
import socket
import struct
import time

from harness import packets, suite
from harness.packets import Thrower, ethernet, ipv4, multicast_mac
from harness.process import wait_until
from harness.remote import Program
from harness.stage import (BOUNDARY, FEC, HIGH_SPEED, LATEJOIN, RATE_WINDOW, RDM, RM, SENDER_STATS, STREAM, TTL, StageTest)
from harness.wire import OPT_FIN, OPT_JOIN, OPT_PARITY_PRM, OPT_RST


class Calls(StageTest):
    def test_sockets_of_both_modes_are_made(self):
        """Checks 1, 2, 5, 7 and 8."""
        for kind, eor in ((RDM, socket.MSG_EOR), (STREAM, 0)):
            sender, receiver = self.pair(kind)
            self.assertEqual(sender.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL), 113)
            self.assertEqual(receiver.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE), kind)
            sender.send(b'abc')
            self.assertEqual(receiver.recvmsg(100)[::2], (b'abc', eor), 'a message ends where a stream goes on')
            sender.close()
            receiver.close()
            self.group = self.group[0], self.group[1] + 1
        self.refused(errno.EAFNOSUPPORT, self.near.call, 'as_they_are', RDM, 113, socket.AF_INET6)
        self.refused(errno.EPROTOTYPE, self.near.call, 'as_they_are', socket.SOCK_DGRAM, 113)

    def test_options_of_a_bound_socket_and_of_a_session(self):
        """Checks 9, 10, 11, 15, 16, 17, 19, 20 and 21."""
        sock = self.make()
        sock.setsockopt(RM, LATEJOIN, 10)
        self.assertEqual(sock.getsockopt(RM, LATEJOIN), 10)
        self.refused(errno.EINVAL, sock.setsockopt, RM, LATEJOIN, b'\1\0\0')
        self.refused(errno.EFAULT, sock.setsockopt, RM, LATEJOIN, None, 4)
        self.assertEqual(sock.getsockopt(RM, LATEJOIN), 10)
        for option in (1000, 1015):
            self.refused(errno.ENOPROTOOPT, sock.setsockopt, RM, option, 1)
            self.refused(errno.ENOPROTOOPT, sock.getsockopt, RM, option)
        self.refused(errno.ENOPROTOOPT, sock.setsockopt, RM, 1003, 1)
        for option in (1002, 1008, 1009, 1012):
            self.refused(errno.ENOPROTOOPT, sock.getsockopt, RM, option)
        sock.connect(self.group)
        self.refused(errno.EISCONN, sock.setsockopt, RM, LATEJOIN, 5)
        sock.setsockopt(RM, BOUNDARY, 0)
        self.assertEqual(len(sock.getsockopt(RM, SENDER_STATS, 104)), 104)
        for option in (1005, 1013):
            self.refused(errno.ENOPROTOOPT, sock.setsockopt, RM, option, bytes(144))
        self.refused(errno.ENOPROTOOPT, sock.getsockopt, RM, 1013, 144)

    def test_an_accepted_session_is_a_receivers(self):
        """Checks 13, 22, 67 and 79."""
        listener = self.far.socket(RDM)
        listener.setsockopt(RM, HIGH_SPEED, 1)
        listener.bind(self.group)
        listener.listen(1)
        listener.settimeout(20)
        sender = self.sender()
        sender.send(b'x')
        receiver = self.accept(listener)
        self.assertEqual(receiver.getsockopt(RM, HIGH_SPEED), 1)
        for option in (RATE_WINDOW, LATEJOIN, TTL, FEC):
            self.refused(errno.ENOPROTOOPT, receiver.setsockopt, RM, option, bytes(12))
        self.refused(errno.EOPNOTSUPP, receiver.send, b'x')
        self.refused(errno.EOPNOTSUPP, sender.recv, 10)

    def test_binding_and_connecting(self):
        """Checks 62, 63, 64, 65, 69, 71 and 72: no handshake, a source port that the transport chose, port 0."""
        capture = self.capture()
        nobody = self.make()
        self.refused(errno.ENOTCONN, nobody.send, b'x')
        nobody.setblocking(False)
        nobody.connect(self.group)
        self.refused(errno.EISCONN, nobody.connect, self.group)
        nobody.send(b'nobody listens')
        capture.await_packets(lambda all_of: all_of, self.group[0], 'ODATA')
        self.assertEqual({p.source for p in capture.packets(self.group[0])}, {'10.77.0.1'}, 'nobody answered')
        zero = self.group[0], 0
        listener = self.listener(group=zero)
        ports = set()
        for number in range(2):
            sender = self.near.socket(RDM)
            sender.bind(('0.0.0.0', 50001))
            sender.connect(zero)
            sender.send(b'%d' % number)
            receiver, peer = listener.accept()
            self.assertEqual(receiver.recv(10), b'%d' % number)
            ports.add(peer[1])
        self.assertEqual(len(ports), 2, 'every connect is a session of its own')
        self.assertNotIn(50001, ports)
        data = [p for p in capture.packets(self.group[0], 'ODATA') if p.dport == 0]
        self.assertEqual({p.sport for p in data}, ports)

    def test_what_connect_bind_listen_and_accept_refuse(self):
        """Checks 68, 70, 82, 83 and 84."""
        for address in ('10.0.0.1', '0.0.0.0'):
            self.refused(errno.EADDRNOTAVAIL, self.make().connect, (address, 7500))
        listener = self.listener()
        self.refused(errno.EINVAL, listener.connect, self.group)
        listener.setblocking(False)
        self.refused(errno.EAGAIN, listener.accept)
        self.refused(errno.EINVAL, self.make().accept)
        self.refused(errno.EINVAL, self.far.socket(RDM).listen, 1)

    def test_sessions_of_two_ports_and_two_senders_do_not_mix(self):
        """Checks 66, 74, 75, 80 and 81."""
        other = self.group[0], self.group[1] + 1
        listeners = {group: self.listener(group=group) for group in (self.group, other)}
        for group, listener in listeners.items():
            senders = {}
            for program, host in ((self.near, '10.77.0.1'), (self.far, '10.77.0.2')):
                sender = self.sender(program=program, group=group)
                for number in range(20):
                    sender.send(f'{host} {group[1]} {number}'.encode())
                senders[host] = sender
            seen = {}
            for _ in senders:
                receiver, peer = listener.accept()
                receiver.settimeout(20)
                self.assertEqual(receiver.getpeername(), peer)
                self.assertEqual(receiver.getsockname(), group)
                seen[peer[0]] = [receiver.recv(100).decode() for _ in range(20)]
            self.assertEqual(seen, {host: [f'{host} {group[1]} {n}' for n in range(20)] for host in senders})
            listener.setblocking(False)
            self.refused(errno.EAGAIN, listener.accept)

    def test_only_original_data_opens_a_session(self):
        """Checks 76, 77 and 78: a repair that nobody here asked for does not, an SPM does not, data does."""
        listener = self.listener()
        listener.setblocking(False)
        thrower = Thrower(self.network.middle, self.hosts[1].cable.port)
        self.addCleanup(thrower.close)
        gsi = bytes((7, 7, *socket.inet_aton(self.group[0])))

        def throw(tpdu):
            thrower.throw(ethernet(multicast_mac(self.group[0]), ipv4('10.77.0.9', self.group[0], tpdu)))
            time.sleep(0.2)
        for tpdu in (packets.odata(gsi, 4660, self.group[1], 5, 5, b'a repair', kind=packets.RDATA),
                     packets.spm(gsi, 4660, self.group[1], 1, 5, 4, '10.77.0.9')):
            throw(tpdu)
            self.refused(errno.EAGAIN, listener.accept)
        throw(packets.odata(gsi, 4660, self.group[1], 6, 5, b'data'))
        listener.settimeout(20)
        receiver, peer = listener.accept()
        self.assertEqual(peer, ('10.77.0.9', 4660))

    def test_receivers_of_one_host_share_a_group_only_when_both_say_so(self):
        """Checks 85 and 86: all of them get all of it, also on the sending host."""
        plain = self.listener()
        second = self.far.socket(RDM)
        self.refused(errno.EADDRINUSE, second.bind, self.group)
        plain.close()
        listeners = []
        for program in (self.far, self.far, self.near):
            sock = program.socket(RDM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(self.group)
            sock.listen(1)
            sock.settimeout(20)
            listeners.append(sock)
        sender = self.sender()
        messages = [b'%d' % n for n in range(100)]
        for message in messages:
            sender.send(message)
        for listener in listeners:
            receiver = self.accept(listener)
            self.assertEqual([receiver.recv(100) for _ in messages], messages)

    def test_a_listener_and_its_sessions_are_closed_one_by_one(self):
        """Checks 87 and 88: sessions outlive their listener; a sender that starts again is another session."""
        listener = self.listener()
        sender = self.sender()
        sender.send(b'one')
        receiver = self.accept(listener)
        again = self.sender()
        again.send(b'again')
        second, peer = listener.accept()
        self.assertNotEqual(peer, receiver.getpeername())
        self.assertEqual(second.recv(10), b'again')
        listener.close()
        sender.send(b'two')
        self.assertEqual([receiver.recv(10) for _ in range(2)], [b'one', b'two'])
        receiver.close()
        second.close()
        self.assertTrue(wait_until(lambda: self.open_sockets() == 0, 10), self.open_sockets())

    def open_sockets(self):
        return self.daemons[1].status()['control']['sockets_open']

    def test_more_senders_than_the_backlog_are_accepted_later(self):
        """Check 89."""
        listener = self.far.socket(RDM)
        listener.bind(self.group)
        listener.listen(1)
        listener.settimeout(20)
        senders = [self.sender() for _ in range(3)]
        seen = set()
        for _round in range(200):
            for number, sender in enumerate(senders):
                sender.send(b'%d' % number)
            listener.settimeout(0.1)
            try:
                seen.add(self.accept(listener).recv(10))
            except TimeoutError:
                pass
            if len(seen) == 3:
                break
        self.assertEqual(seen, {b'0', b'1', b'2'})

    def test_ttl_late_join_and_parity_show_on_the_wire(self):
        """Checks 50, 52, 58 and 60."""
        capture = self.capture()
        listener = self.listener()
        sock = self.make()
        sock.setsockopt(RM, TTL, 1)
        sock.setsockopt(RM, LATEJOIN, 75)
        sock.setsockopt(RM, LATEJOIN, 0)
        sock.setsockopt(RM, FEC, struct.pack('=HHBB', 255, 2, 8, 0))
        self.hosts[1].cable.drop_first(4, 4, towards=True)  # more than the parity of a group makes up for
        sock.connect(self.group)
        messages = [b'%d' % n for n in range(64)]
        sock.ask('send_list', messages)
        receiver = self.accept(listener)
        self.assertEqual([receiver.recv(10) for _ in messages], messages)
        wire = capture.await_packets(lambda all_of: {'ODATA', 'RDATA', 'SPM', 'NCF'} <= {p.kind for p in all_of}, self.group[0])
        wire = [p for p in wire if p.source == '10.77.0.1']
        self.assertEqual({p.ttl for p in wire}, {1})
        runs = [(parity, len(list(run))) for parity, run in
                itertools.groupby(p.flags >> 7 for p in wire if p.kind == 'ODATA')]
        # A group that waited for its program too long is a short one.
        self.assertTrue(all(length == 2 if parity else length <= 8 for parity, length in runs), runs)
        self.assertIn((0, 8), runs)
        for spm in (p for p in wire if p.kind == 'SPM'):
            self.assertEqual(spm.options[OPT_PARITY_PRM][1] & 3, 2, 'pro-active parity, none on demand')
            self.assertEqual(struct.unpack('>I', spm.options[OPT_PARITY_PRM][2:6]), (8,))

    def test_a_late_joiner_gets_the_share_that_was_set(self):
        """Checks 47 and 48: of 200 messages in the window a joiner reads the last 150, or none."""
        for percent, first in ((75, 100), (0, 250)):
            group = self.group[0], 7600 + percent
            sender = self.make(window=(100_000, 2000, 0))
            sender.setsockopt(RM, LATEJOIN, percent)
            sender.connect(group)
            sender.ask('send_list', [b'%d' % n for n in range(50)])
            time.sleep(2.2)  # these have left the window: the start of the session is no longer to be had
            sender.ask('send_list', [b'%d' % n for n in range(50, 250)])
            time.sleep(0.2)
            listener = self.listener(group=group)
            sender.send(b'250')
            receiver = self.accept(listener)
            begin = int(receiver.recv(10))
            self.assertLessEqual(abs(begin - first), 2, f'{percent} % of the window')
            for number in range(begin + 1, 251):
                self.assertEqual(int(receiver.recv(10)), number)

    def test_late_join_is_off_unless_asked_for(self):
        """Check 47: once the trail has moved no packet carries OPT_JOIN."""
        capture = self.capture()
        sender = self.sender(window=NARROW_MS)
        sender.send(b'1')
        time.sleep(0.4)  # the trail has passed it
        seen = len(capture.packets(self.group[0]))
        sender.send(b'2')
        later = capture.await_packets(lambda all_of: len(all_of) > seen + 1, self.group[0])[seen:]
        self.assertIn('ODATA', {p.kind for p in later})
        self.assertFalse([p for p in later if OPT_JOIN in p.options])

    def test_the_windows_profile_has_its_ttl(self):
        """Check 59."""
        capture = self.capture()
        sock = self.near.socket(RDM)
        sock.setsockopt(RM, 2002, 1)
        sock.connect(self.group)
        sock.send(b'x')
        packets = capture.await_packets(lambda all_of: {'SPM', 'ODATA'} <= {p.kind for p in all_of}, self.group[0])
        self.assertEqual({p.ttl for p in packets}, {255})

    def test_the_end_in_good_order(self):
        """Checks 115, 116, 117, 131 and 132."""
        for kind in (RDM, STREAM):
            group = self.group[0], 7700 + kind
            self.group, old = group, self.group
            capture = self.capture()
            sender, receiver = self.pair(kind)
            for number in range(300):
                sender.send(b'%04d' % number)
            sender.shutdown(socket.SHUT_WR)
            self.near.call('keep_default', 13)  # SIGPIPE would end the program
            self.refused(errno.EPIPE, sender.send, b'late')
            if kind == STREAM:
                got = b''
                while piece := receiver.recv(10_000):
                    got += piece
                self.assertEqual(got, b''.join(b'%04d' % n for n in range(300)))
                self.assertEqual([receiver.recv(10) for _ in range(3)], [b''] * 3)
            else:
                self.assertEqual([receiver.recv(10) for _ in range(300)], [b'%04d' % n for n in range(300)])
                for _ in range(3):
                    self.refused(errno.ESHUTDOWN, receiver.recv, 10)
            packets = capture.packets(group[0])
            packets = [p for p in packets if p.dport == group[1] and p.source == '10.77.0.1']
            fin = next(n for n, p in enumerate(packets) if OPT_FIN in p.options)
            spms = [p for p in packets[fin:] if p.kind == 'SPM']
            self.assertGreaterEqual(len(spms), 3)
            self.assertTrue(all(OPT_FIN in p.options for p in spms))
            self.group = old

    def test_shutdown_does_not_wait_for_what_is_queued(self):
        """Check 134: it returns while most of the queue has still to be sent, and all of it is."""
        capture = self.capture()
        listener, sender = self.listener(), self.sender(window=(800, 20_000, 0))
        messages = [bytes([n]) * 1000 for n in range(100)]  # a second's work
        sender.ask('send_list', messages)
        sender.shutdown(socket.SHUT_WR)
        self.assertLess(len(capture.packets(self.group[0], 'ODATA')), 100)
        receiver = self.accept(listener)
        self.assertEqual([receiver.recv(2000) for _ in messages], messages)
        self.refused(errno.ESHUTDOWN, receiver.recv, 10)

    def test_a_linger_of_zero_aborts(self):
        """Check 133: OPT_RST on the wire, ECONNRESET for the receiver."""
        capture = self.capture()
        sender, receiver = self.pair()
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        sender.close()
        capture.await_packets(lambda all_of: any(OPT_RST in p.options for p in all_of), self.group[0])
        for _ in range(2):
            self.refused(errno.ECONNRESET, receiver.recv, 10)

    def test_what_was_shut_down_is_repaired_after_the_program_was_killed(self):
        """Checks 127, 128 and 129: everything after the first message is lost, the sender's program is killed, and the
        daemon repairs it from the window."""
        victim = self.owner.keep(Program(self.daemons[0]))
        sender, receiver = self.pair(program=victim, window=(100_000, 20_000, 0))
        self.hosts[1].cable.lose(100, towards=True)
        messages = [bytes([n]) * 1000 for n in range(100)]
        for message in messages:
            sender.send(message)
        begin = time.monotonic()
        sender.shutdown(socket.SHUT_WR)
        sender.close()
        self.assertLess(time.monotonic() - begin, 10, 'neither waits for the window')
        victim.signal(9)
        victim.wait(10)
        capture = self.capture(1)
        self.hosts[1].cable.heal()
        self.assertEqual([receiver.recv(2000) for _ in messages], messages)
        self.refused(errno.ESHUTDOWN, receiver.recv, 10)
        self.assertTrue(capture.packets(self.group[0], 'RDATA'))

    def test_a_killed_program_that_did_not_end_resets_its_receivers(self):
        """Check 122."""
        victim = self.owner.keep(Program(self.daemons[0]))
        _sender, receiver = self.pair(program=victim)
        victim.signal(9)
        victim.wait(10)
        self.refused(errno.ECONNRESET, receiver.recv, 10)
        self.refused(errno.ECONNRESET, receiver.recv, 10)


NARROW_MS = (80_000, 100, 0)

if __name__ == '__main__':
    suite.main()
