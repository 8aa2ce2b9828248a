#!/usr/bin/env python3
"""Every packet decodes here as tshark decodes it, field by field: other programs' captures (where they stand beside
the project), OpenPGM's and ZeroMQ's packets of tests/data, and what encode() makes of every type and option.

    tshark_test.py PRINT_FIELDS
"""
import collections
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

PRINT_FIELDS = sys.argv.pop(1)
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / 'data/openpgm-golden.json'
CAPTURES = pathlib.Path(os.environ.get('FANFARE_CAPTURES', '.'))
SEED = os.environ.get('FANFARE_TEST_SEED', '20261129')
MADE = 2000
SPMR = 0x0C
NUMBERS = ('pgm.hdr.type', 'pgm.hdr.opts', 'pgm.hdr.sport', 'pgm.hdr.dport', 'pgm.hdr.tsdulen', 'pgm.spm.sqn',
           'pgm.spm.trail', 'pgm.spm.lead', 'pgm.nak.sqn', 'pgm.poll.sqn', 'pgm.poll.round', 'pgm.poll.subtype',
           'pgm.poll.backoff_ivl', 'pgm.poll.rand_str', 'pgm.poll.matching_bmask', 'pgm.polr.sqn', 'pgm.polr.round',
           'pgm.ack.maxsqn', 'pgm.ack.bitmap', 'pgm.opts.parity_prm.op', 'pgm.opts.parity_prm.prm_grp',
           'pgm.opts.join.min_join', 'pgm.opts.nak_bo_ivl.bo_ivl', 'pgm.opts.nak_bo_ivl.bo_ivl_sqn',
           'pgm.opts.nak_bo_rng.min_bo_ivl', 'pgm.opts.nak_bo_rng.max_bo_ivl', 'pgm.opts.fragment.first_sqn',
           'pgm.opts.fragment.fragment_offset', 'pgm.opts.fragment.total_length', 'pgm.opts.ccdata.tstamp',
           'pgm.opts.ccdata.lossrate')
TEXTS = ('pgm.hdr.gsi', 'pgm.spm.path.ipv4', 'pgm.nak.src.ipv4', 'pgm.nak.grp.ipv4', 'pgm.poll.path.ipv4',
         'pgm.opts.nak.list', 'pgm.opts.redirect.dlr.ipv4', 'pgm.opts.ccdata.acker.ipv4')
COMPLAINTS = ('_ws.malformed', '_ws.short', 'pgm.opts.type.invalid', 'pgm.opts.tlen.invalid', 'pgm.genopts.len.invalid',
              'pgm.address_format_invalid')
# tshark's names of options; those that it does not know are told by their number.
OPTIONS = {'Fragment': 'OPT_FRAGMENT', 'NakList': 'OPT_NAK_LIST', 'Join': 'OPT_JOIN', 'NakBackOffIvl': 'OPT_NAK_BO_IVL',
           'NakBackOffRng': 'OPT_NAK_BO_RNG', 'ReDirect': 'OPT_REDIRECT', 'ParityPrm': 'OPT_PARITY_PRM',
           'ParityGrp': 'OPT_PARITY_GRP', 'CurrTgsiz': 'OPT_CURR_TGSIZE', 'Syn': 'OPT_SYN', 'Fin': 'OPT_FIN',
           'Rst': 'OPT_RST', 'CcData': 'OPT_CC_DATA', 'CcFeedBack': 'OPT_CC_FEEDBACK',
           'Unknown (0x0b)': 'OPT_NBR_UNREACH', 'Unknown (0x0c)': 'OPT_PATH_NLA', 'Unknown (0x10)': 'OPT_CR',
           'Unknown (0x11)': 'OPT_CRQST', 'Unknown (0x70)': 'OPT_PACKED', 'Unknown (0x7f)': 'OPT_INVALID'}


def ours(path):
    """By number of the frame, what decode() read in it."""
    done = subprocess.run([PRINT_FIELDS, path], capture_output=True, text=True, timeout=60, check=True)
    return {row['frame']: row for row in map(json.loads, done.stdout.splitlines())}


def theirs(path):
    """By number of the frame, each PGM field's occurrences as tshark has them; None without PGM."""
    done = subprocess.run(['tshark', '-r', path, '-o', 'pgm.check_checksum:TRUE', '-d', 'udp.port==5563,pgm', '-T', 'pdml'],
                          capture_output=True, text=True, timeout=120, check=True)
    frames = {}
    for number, packet in enumerate(ElementTree.fromstring(done.stdout), 1):
        found = collections.defaultdict(list)
        for proto in packet:
            # What it found wrong stands beside the layers too.
            for field in (*proto.iter('field'), proto):
                name = field.get('name')
                if name in NUMBERS:
                    found[name].append(int(field.get('value'), 16))
                elif name in COMPLAINTS:
                    found[name].append(field.get('showname'))
                elif name in ('pgm.hdr.gsi', 'pgm.opts.nak.list'):
                    found[name].append(field.get('value'))
                elif name in TEXTS:
                    found[name].append(field.get('show'))
                elif name == 'pgm.hdr.cksum.status':
                    found[name] = int(field.get('show'))  # the last of two; the first is of no use
                option = re.match(r'Option: (.*), Length', field.get('show') or '')
                if option:
                    found['options'].append(OPTIONS[option.group(1)])
        # A list's numbers come eight a line.
        if found['pgm.opts.nak.list']:
            found['pgm.opts.nak.list'] = [''.join(found['pgm.opts.nak.list'])]
        frames[number] = found
    return frames


def as_tshark_shows(row):
    """Our fields under the names of tshark 4.0."""
    want = {name: row[name] if isinstance(row[name], list) else [row[name]] for name in (*NUMBERS, *TEXTS) if name in row}
    # It calls the fields of OPT_PARITY_GRP, a reserved octet and a number, by OPT_PARITY_PRM's names, and has minimum and maximum of
    # OPT_NAK_BO_RNG in each other's place.
    if 'parity_grp' in row:
        want.setdefault('pgm.opts.parity_prm.op', []).append(0)
        want.setdefault('pgm.opts.parity_prm.prm_grp', []).append(row['parity_grp'])
    low, high = 'pgm.opts.nak_bo_rng.min_bo_ivl', 'pgm.opts.nak_bo_rng.max_bo_ivl'
    if low in want:
        want[low], want[high] = want[high], want[low]
    return want


@unittest.skipIf(shutil.which('tshark') is None, 'tshark is missing (scripts/build installs it)')
class Tshark(unittest.TestCase):
    maxDiff = None

    def compare(self, path):
        """Frames that both read, after every field of each was found to be the same."""
        mine, his = ours(path), theirs(path)
        self.assertEqual(sorted(mine), sorted(his))
        read = 0
        for number, row in mine.items():
            shown = his[number]
            where = f'{pathlib.Path(path).name}, frame {number}'
            dissected = bool(shown['pgm.hdr.type'])
            if 'refused' in row:
                # Either it finds fault as well, or it takes the frame for no PGM packet.
                self.assertTrue(not dissected or any(shown[c] for c in COMPLAINTS), f'{where}: {row} {dict(shown)}')
                continue
            if row['pgm.hdr.type'] == SPMR:
                self.assertFalse(dissected, f'{where}: tshark 4.0 leaves these alone')
                continue
            self.assertTrue(dissected, f'{where}: {row} is nothing to tshark')
            want = as_tshark_shows(row)
            for name in (*NUMBERS, *TEXTS):
                self.assertEqual(shown[name], want.get(name, []), f'{where}: {name}')
            self.assertEqual(sorted(shown['options']), sorted(row['options']), where)
            self.assertEqual(shown['pgm.hdr.cksum.status'], row['pgm.hdr.cksum.status'], f'{where}: checksum')
            self.assertEqual([c for c in COMPLAINTS if shown[c]], [], where)
            read += 1
        return read

    def test_captures_of_other_programs(self):
        found = sorted(CAPTURES.glob('*.pcap'))
        if not found:
            self.skipTest('FANFARE_CAPTURES names no folder with the captures')
        read = {path.stem: self.compare(str(path)) for path in found}
        print(read, flush=True)
        for name, least in (('pgm_zmtp1', 13), ('epgm_zmtp1', 13), ('pgm_poll_polr', 20)):
            self.assertGreaterEqual(read[name], least)
        # Packets that broke other decoders: nobody reads a packet in them.
        self.assertEqual({n: c for n, c in read.items() if 'asan' in n or 'bad' in n},
                         {n: 0 for n in read if 'asan' in n or 'bad' in n})

    def test_packets_of_openpgm_and_zeromq(self):
        packets = json.loads(GOLDEN.read_text())['packets']
        with tempfile.TemporaryDirectory() as folder:
            path = f'{folder}/golden.pcap'
            with open(path, 'wb') as out:
                out.write(struct.pack('<IHHIIII', 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
                for packet in packets:
                    tpdu = bytes.fromhex(packet['pgm_hex'])
                    ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(tpdu), 0, 0x4000, 16, 113, 0, b'\x0a\0\0\x01',
                                     b'\xef\1\2\3')
                    out.write(struct.pack('<IIII', 0, 0, len(ip) + len(tpdu), len(ip) + len(tpdu)) + ip + tpdu)
            spmrs = sum(packet['type'] == 'SPMR' for packet in packets)
            self.assertEqual(self.compare(path), len(packets) - spmrs)

    def test_what_encode_makes_of_every_type_and_option(self):
        print(f'seed {SEED}', flush=True)
        with tempfile.TemporaryDirectory() as folder:
            path = f'{folder}/made.pcap'
            subprocess.run([PRINT_FIELDS, '--make', SEED, str(MADE), path], check=True, timeout=60)
            kinds = collections.Counter(row['pgm.hdr.type'] for row in ours(path).values())
            self.assertEqual(len(kinds), 10)
            self.assertEqual(self.compare(path), MADE - kinds[SPMR])


if __name__ == '__main__':
    unittest.main()
