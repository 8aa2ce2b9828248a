"""tshark reads a whole session as it was on the wire and has nothing to complain of."""

import collections
import shutil
import subprocess
import time
import unittest

from harness import suite
from harness.process import Process
from harness.transfer import TransferTest

NAMES = {0: 'SPM', 4: 'ODATA', 5: 'RDATA', 8: 'NAK', 10: 'NCF'}
FIELDS = ('pgm.hdr.type', 'pgm.hdr.cksum.status', 'ip.len', 'ip.flags.df', '_ws.malformed', 'pgm.bad_checksum',
          'pgm.opts.type.invalid', 'pgm.opts.tlen.invalid', 'pgm.genopts.len.invalid', 'pgm.address_format_invalid')


@unittest.skipIf(shutil.which('tshark') is None, 'tshark is missing (scripts/build installs it)')
class Capture(TransferTest):
    def session(self, *form, publish=()):
        self.make_hosts(2)
        path = self.folder / 'session.pcap'
        # tcpdump's and tshark's own writer: dumpcap, in the middle where every frame is an ordinary one.
        capture = self.keep(Process(['dumpcap', '-q', '-i', 'bridge', '-w', path, '-B', '64', '-P'],
                                    host=self.network.middle, label='dumpcap'))
        capture.expect_line('File:', 20)
        self.receivers[0].cable.lose(2, towards=True)  # behind the place of capture: all that was sent is seen
        self.receivers[1].cable.lose(2, towards=True)
        self.move(2 << 20, publish=(*form, *publish), subscribe=form)
        # The source says FIN at the end and repairs until its window has passed.
        time.sleep(0.5)
        capture.stop()
        return path

    def decode(self, path, *options):
        argv = ['tshark', '-r', str(path), '-o', 'pgm.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE', *options,
                '-Y', 'pgm', '-T', 'fields', '-E', 'occurrence=l', *(a for f in FIELDS for a in ('-e', f))]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [dict(zip(FIELDS, line.split('\t'))) for line in done.stdout.splitlines()]

    def judge(self, path, *options):
        rows = self.decode(path, *options)
        kinds = collections.Counter(NAMES.get(int(row['pgm.hdr.type'], 16), row['pgm.hdr.type']) for row in rows)
        print(dict(kinds), flush=True)
        for kind in NAMES.values():
            self.assertGreater(kinds[kind], 0, f'no {kind} in the capture: {kinds}')
        for row in rows:
            self.assertEqual(row['pgm.hdr.cksum.status'], '1', f'bad checksum: {row}')
            for complaint in FIELDS[4:]:
                self.assertEqual(row[complaint], '', f'{complaint}: {row}')
        # Malformed of any layer, and the FIN that has no field of its own.
        self.assertEqual(self.count(path, '_ws.malformed || ip.checksum.status == 0', *options), 0)
        text = subprocess.run(['tshark', '-r', str(path), *options, '-Y', 'pgm.hdr.type == 0', '-V'],
                              capture_output=True, text=True, timeout=120).stdout
        self.assertIn('Option: Fin', text)

    def count(self, path, expression, *options):
        done = subprocess.run(['tshark', '-r', str(path), '-o', 'ip.check_checksum:TRUE', *options, '-Y', expression],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return len(done.stdout.splitlines())

    def test_a_raw_session_of_messages(self):
        self.judge(self.session(publish=('--message', '1000')))

    def test_a_raw_session_of_fragments(self):
        self.judge(self.session(publish=('--message', '9000')))

    def test_a_session_with_parity(self):
        path = self.session(publish=('--message', '9000', '--fec', '8,1,on-demand'))
        self.judge(path)
        self.assertGreater(self.count(path, 'pgm.hdr.opts.parity == 1 && pgm.hdr.type == 4'), 0)
        self.assertGreater(self.count(path, 'pgm.hdr.opts.parity == 1 && pgm.hdr.type == 5'), 0)
        self.assertGreater(self.count(path, 'pgm.hdr.opts.parity == 1 && pgm.hdr.type == 8'), 0)

    def test_a_udp_session(self):
        self.judge(self.session('--udp', '7600'), '-d', 'udp.port==7600,pgm')


if __name__ == '__main__':
    suite.main()
