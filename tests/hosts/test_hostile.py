"""Malformed and forged packets from the network: counted by reason, never a crash, a hang or a lost good octet."""

import json
import os
import pathlib
import random
import re
import struct
import subprocess
import threading
import time
import unittest

from harness import packets, suite
from harness.daemon import numbers
from harness.process import Process, wait_until
from harness.transfer import TransferTest

SEED = int(os.environ.get('FANFARE_TEST_SEED', '20261121'))
GROUP_ADDRESS, PORT = '239.77.0.1', 7500
GSI = bytes.fromhex('aabbccddeeff')
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / 'data/openpgm-golden.json'
FORGER = '10.77.0.66'
THROW = os.environ.get('HOSTILE_THROW')
# Of each kind, and of both together a second.
HOSTILE = int(os.environ.get('FANFARE_TEST_HOSTILE', '50000'))
HOSTILE_RATE = 50_000


def raw(tpdu, source=FORGER, destination=GROUP_ADDRESS, **fields):
    return packets.ethernet(packets.multicast_mac(GROUP_ADDRESS), packets.ipv4(source, destination, tpdu, **fields))


class Hostile(TransferTest):
    def setUp(self):
        super().setUp()
        self.make_hosts(1)
        self.thrower = packets.Thrower(self.network.middle, 'bridge')
        self.addCleanup(self.thrower.close)

    def counted(self, reason):
        """Packets that the subscriber's daemon refused for this reason, when decoding or later."""
        status = self.subscribers[0].status()
        return numbers(status, f'decode_{reason}') + numbers(status, f'packets_{reason}')

    def while_moving(self, work):
        """`work(go_on)` beside a file that must arrive unhurt."""
        self.file(suite.BYTES // 4)
        subs = self.listen()
        going = threading.Event()
        going.set()
        failures = []

        def guarded():
            try:
                work(going.is_set)
            except Exception as error:  # noqa: BLE001: told in the test's own thread
                failures.append(error)

        thread = threading.Thread(target=guarded)
        pub = self.publisher.publish(f'{GROUP_ADDRESS}:{PORT}', self.input, '--rate', '50', '--window-ms', '3000')
        # Among what is thrown are whole sessions of others: a subscriber that takes one source must have the right one.
        self.assertTrue(wait_until(lambda: self.outputs()[0].stat().st_size > 0, 20), 'nothing arrives')
        thread.start()
        try:
            self.expect_equal(subs, pub)
        finally:
            going.clear()
            thread.join()
        self.assertEqual(failures, [])
        self.assertTrue(self.publisher.running() and self.subscribers[0].running())

    def test_each_kind_of_broken_packet_has_its_counter(self):
        good = packets.odata(GSI, 1000, PORT, 5, 0, b'payload')
        spm = packets.spm(GSI, 1000, PORT, 1, 0, 5, FORGER)
        with_options = lambda octets: packets.odata(GSI, 1000, PORT, 5, 0, b'', options=octets, flags=1)
        length = lambda total: struct.pack('>BBH', 0, 4, total)
        cases = {
            'truncated_header': good[:12],
            'unknown_type': packets.with_checksum(good[:4] + b'\x3f' + good[5:]),
            'truncated_body': spm[:20],
            'tsdu_length_mismatch': packets.with_checksum(good[:14] + b'\0\x03' + good[16:]),
            'address_family': packets.with_checksum(spm[:28] + b'\0\x09' + spm[30:]),
            'options_truncated': with_options(b'\0\x04'),
            'options_length_missing': with_options(b'\x8e\x04\0\0'),
            'options_length_wrong': with_options(length(4) + b'\x8e\x04\0\0'),
            'option_too_short': with_options(length(8) + b'\x8e\0\0\0'),
            'option_overrun': with_options(length(8) + b'\x8e\x40\0\0'),
            'too_many_options': with_options(length(4 + 20 * 4) + b'\x55\x04\0\0' * 19 + b'\xd5\x04\0\0'),
            'options_unterminated': with_options(length(8) + b'\x0e\x04\0\0'),
            'checksum_missing': good[:6] + b'\0\0' + good[8:],
            'checksum_wrong': good[:6] + bytes((good[6] ^ 0x55, good[7])) + good[8:],
        }
        sub = self.listen()[0]
        before = {name: self.counted(name) for name in cases}
        for tpdu in cases.values():
            self.thrower.throw(raw(tpdu))
        def missing():
            return [name for name in cases if self.counted(name) <= before[name]]

        self.assertTrue(wait_until(lambda: not missing(), 5, step=0.2), f'not counted: {missing()}')
        self.assertTrue(sub.running())

    def test_rubbish_beside_a_good_stream_costs_it_nothing(self):
        print(f'seed {SEED}', flush=True)
        samples = [bytes.fromhex(p['pgm_hex']) for p in json.loads(GOLDEN.read_text())['packets']]
        mutator = packets.Mutator(SEED)
        source = random.Random(SEED)

        def throw(go_on):
            while go_on():
                for _ in range(50):
                    tpdu = mutator.mutate(source.choice(samples))
                    form = source.randrange(4)
                    if form == 0:
                        frame = raw(tpdu)
                    elif form == 1:
                        frame = packets.ethernet(packets.multicast_mac(GROUP_ADDRESS), packets.ipv4(
                            FORGER, GROUP_ADDRESS, packets.udp(7600, tpdu), protocol=17))
                    elif form == 2:  # a damaged IP header
                        octets = bytearray(raw(tpdu))
                        octets[14 + source.randrange(20)] = source.randrange(256)
                        frame = bytes(octets)
                    else:  # whatever it calls itself
                        frame = packets.ethernet(b'\xff' * 6, source.randbytes(source.randint(1, 200)),
                                                 kind=source.choice((0x0806, 0x0800, 0x8100, 0x86DD)))
                    self.thrower.throw(frame)
                time.sleep(0.01)

        self.while_moving(throw)

    def resident(self, daemon):
        """Octets of memory that a daemon has."""
        text = pathlib.Path(f'/proc/{daemon.process.pid}/status').read_text()
        return int(re.search(r'VmRSS:\s*(\d+) kB', text).group(1)) << 10

    @unittest.skipIf(THROW is None, 'HOSTILE_THROW names no program')
    def test_random_and_damaged_packets_in_masses_leave_memory_as_it_was(self):
        """Frames of the hostile run, from a program that is quick enough for millions of them."""
        print(f'seed {SEED}', flush=True)
        self.file(max(suite.BYTES // 4, int(2 * HOSTILE * 2 / HOSTILE_RATE * 50e6 / 8)))
        subs = self.listen()
        pub = self.publisher.publish(f'{GROUP_ADDRESS}:{PORT}', self.input, '--rate', '50', '--window-ms', '3000')
        self.assertTrue(wait_until(lambda: self.outputs()[0].stat().st_size > 0, 20), 'nothing arrives')
        gsi, sport = self.identity()
        argv = [THROW, 'bridge', f'{gsi.hex()}:{sport}', PORT, GROUP_ADDRESS, '10.77.0.1', '10.77.0.10']
        thrower = self.keep(Process([*argv, 1000, 1000, SEED + 1, HOSTILE_RATE], host=self.network.middle,
                                    label='hostile_throw'))
        self.assertEqual(thrower.wait(60), 0, thrower.text())
        # Strangers' sessions have taken the windows that they may have.
        before = [self.resident(daemon) for daemon in (self.publisher, self.subscribers[0])]
        def rate(work):
            """Mbit/s of the stream while `work` goes on."""
            arrived, began = self.outputs()[0].stat().st_size, time.monotonic()
            work()
            return (self.outputs()[0].stat().st_size - arrived) * 8e-6 / (time.monotonic() - began)

        alone = rate(lambda: time.sleep(HOSTILE / HOSTILE_RATE / 2))
        thrower = self.keep(Process([*argv, HOSTILE, HOSTILE, SEED, HOSTILE_RATE], host=self.network.middle,
                                    stdout=subprocess.PIPE, label='hostile_throw'))
        beside = rate(lambda: self.assertEqual(thrower.wait(suite.SECONDS), 0, thrower.text()))
        sending = pub.running()
        thrown = json.loads(thrower.popen.stdout.read())
        after = [self.resident(daemon) for daemon in (self.publisher, self.subscribers[0])]
        self.expect_equal(subs, pub)
        grown = [b - a for a, b in zip(before, after)]
        status = self.subscribers[0].status()
        refused = sum(numbers(status, f'decode_{name}') for name in ('truncated_body', 'tsdu_length_mismatch', 'unknown_type'))
        print(f'{thrown}, beside a stream {"all the while" if sending else "that ended before"}, of '
              f'{beside:.1f} Mbit/s, {alone:.1f} before; memory {[b >> 20 for b in before]} MiB before, grown by '
              f'{[g >> 10 for g in grown]} KiB; {refused} refused for three of the reasons', flush=True)
        self.assertGreater(refused, 0)
        self.assertLess(max(grown), 8 << 20)

    def test_forged_packets_of_the_running_session_cost_it_nothing(self):
        """From another address with the true session's identity: data, jumps, FIN and RST, all summed right."""
        seen = []

        def throw(go_on):
            while go_on() and not seen:
                identity = self.identity()
                if identity:
                    seen.append(identity)
                time.sleep(0.05)
            if not seen:
                return
            gsi, sport = seen[0]
            end = b'\0\x04\0\x08\x8e\x04\0\0', b'\0\x04\0\x08\x8f\x04\0\0'
            source = random.Random(SEED)
            while go_on():
                jump = source.getrandbits(32)
                for tpdu in (packets.odata(gsi, sport, PORT, jump, jump - 10 & 0xFFFFFFFF, b'forged'),
                             packets.spm(gsi, sport, PORT, source.getrandbits(31), jump, jump + 100 & 0xFFFFFFFF, FORGER),
                             *(packets.spm(gsi, sport, PORT, 0x7FFFFFFF, jump, jump, FORGER, options=option, flags=1)
                               for option in end)):
                    self.thrower.throw(raw(tpdu))
                time.sleep(0.002)

        self.while_moving(throw)
        self.assertTrue(seen, 'the session never showed in status')
        self.assertGreater(self.counted('untrusted_source'), 0)

    def identity(self):
        """GSI and source port of the session that the publisher's daemon sends, as status shows them."""
        text = json.dumps(self.publisher.status())
        match = re.search(r'\b([0-9a-f]{12}):(\d{1,5})\b', text)
        return (bytes.fromhex(match.group(1)), int(match.group(2))) if match else None

    def test_naks_that_ask_for_everything_do_not_stop_the_stream(self):
        seen = []

        def throw(go_on):
            while go_on() and not seen:
                identity = self.identity()
                if identity:
                    seen.append(identity)
                time.sleep(0.05)
            source = random.Random(SEED)
            mac = b'\xff' * 6
            while go_on():
                gsi, sport = seen[0]
                for _ in range(20):
                    tpdu = packets.nak(gsi, PORT, sport, source.getrandbits(32), '10.77.0.1', GROUP_ADDRESS)
                    self.thrower.throw(packets.ethernet(mac, packets.ipv4(FORGER, '10.77.0.1', tpdu)))
                time.sleep(0.002)

        self.while_moving(throw)


if __name__ == '__main__':
    suite.main()
