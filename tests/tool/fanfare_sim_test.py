#!/usr/bin/env python3
"""fanfare-sim as a user runs it: what it lists, prints, replays and refuses.

    fanfare_sim_test.py PROGRAM
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv.pop(1) if len(sys.argv) > 1 else "build/apps/fanfare-sim"
SMALL = ["--messages", "200", "--receivers", "1,12", "--site", "4"]


def run(*arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def internet_sum(octets):
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def odata(sqn, payload=b"some data"):
    """An IPv4 datagram with one ODATA of session 0102030405a6:1234."""
    def packet(checksum):
        return struct.pack(">HHBBH6sHII", 1234, 7500, 4, 0, checksum, bytes.fromhex("0102030405a6"), len(payload), sqn,
                           0) + payload
    pgm = packet(internet_sum(packet(0)))

    def header(checksum):
        return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(pgm), 0, 0x4000, 16, 113, checksum,
                           bytes([10, 0, 0, 1]), bytes([239, 1, 2, 3]))
    return header(internet_sum(header(0))) + pgm


def capture(frames, cut=0):
    text = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for frame in frames:
        text += struct.pack("<IIII", 0, 0, len(frame), len(frame) + cut) + frame
    return text


class Simulator(unittest.TestCase):
    def test_every_listed_scenario_can_be_run_and_keeps_its_promises(self):
        status, out, _ = run("list")
        self.assertEqual(status, 0)
        names = [line.split()[0] for line in out.splitlines()]
        self.assertIn("common-loss", names)
        status, out, err = run("run", *names, *SMALL)
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(len(out.splitlines()), 2 + 2 * len(names))
        self.assertEqual(len({line.count("|") for line in out.splitlines()}), 1, "a table has equal columns")

    def test_sweep_runs_all_of_them(self):
        status, out, _ = run("sweep", "--messages", "100", "--receivers", "3")
        self.assertEqual(status, 0)
        self.assertEqual(len(out.splitlines()), 2 + len(run("list")[1].splitlines()))

    def test_the_same_seed_prints_the_same_and_another_one_does_not(self):
        arguments = ["run", "mixed", *SMALL, "--json", "--seeds", "2"]
        first, again = run(*arguments, "--seed", "7")[1], run(*arguments, "--seed", "7")[1]
        self.assertEqual(first, again)
        self.assertNotEqual(first, run(*arguments, "--seed", "8")[1])
        rows = json.loads(first)
        self.assertEqual([row["receivers"] for row in rows], [1, 12])
        self.assertEqual([row["broken"] for row in rows], [[], []])

    def test_flags_change_a_scenario(self):
        def row(*flags):
            return json.loads(run("run", "common-loss", "--receivers", "8", "--messages", "400", "--json", *flags)[1])[0]
        self.assertEqual(row("--loss-shared", "0")["lost_packets"], 0)
        self.assertGreater(row("--loss-shared", "5")["lost_packets"], 5)
        self.assertGreater(row("--loss-shared", "0", "--loss-private", "1")["lost_packets"], 5)
        self.assertEqual(row("--loss-shared", "3", "--fec", "8,4")["nak_packets"], 0)

    def test_the_losses_of_a_capture_are_lost_again(self):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "feed.pcap"
            file.write_bytes(capture([odata(sqn) for sqn in range(100) if sqn not in (10, 11, 50)]))
            status, out, err = run("replay", str(file), "--receivers", "5", "--json")
            self.assertEqual(status, 0, err)
            self.assertIn("0102030405a6:1234, 3 of 100", err)
            self.assertEqual(json.loads(out)[0]["lost_packets"], 3)
            self.assertEqual(run("replay", str(file), "--tsi", "0102030405a6:1234", "--receivers", "1")[0], 0)

            status, _, err = run("replay", str(file), "--tsi", "0102030405a6:99")
            self.assertEqual(status, 1)
            self.assertIn("no data packet of 0102030405a6:99", err)
            file.write_bytes(capture([odata(1), odata(2)], cut=5))
            status, _, err = run("replay", str(file))
            self.assertEqual(status, 1)
            self.assertIn("tcpdump -s 0", err)
            file.write_bytes(capture([odata(1)])[:-3])
            self.assertEqual(run("replay", str(file))[0], 1)
            file.write_bytes(b"")
            self.assertEqual(run("replay", str(file))[0], 1)
            self.assertEqual(run("replay", directory)[0], 1)

    def test_a_wrong_command_line_is_one_clear_line_and_status_2(self):
        for arguments, words in [
            ([], "a command is missing"),
            (["fly"], "--help"),
            (["run"], "needs a scenario"),
            (["run", "no-such"], "no-such"),
            (["run", "mixed", "--receivers", "0"], "--receivers"),
            (["run", "mixed", "--receivers", "10,,20"], "--receivers"),
            (["run", "mixed", "--receivers", "1000000"], "--receivers"),
            (["run", "mixed", "--loss-shared", "101"], "--loss-shared"),
            (["run", "mixed", "--loss-shared", "-1"], "--loss-shared"),
            (["run", "mixed", "--loss-private", "nan"], "--loss-private"),
            (["run", "mixed", "--loss-shared", "100"], "below 100"),
            (["run", "mixed", "--seed", "x"], "--seed"),
            (["run", "mixed", "--seeds", "0"], "--seeds"),
            (["run", "mixed", "--profile", "wan"], "--profile"),
            (["run", "mixed", "--fec", "7,1"], "--fec"),
            (["run", "mixed", "--message-bytes", "1456", "--udp", "5000"], "message octets"),
            (["run", "mixed", "--rate", "0"], "--rate"),
            (["run", "mixed", "--partitions", "2"], "--partition-ms"),
            (["run", "mixed", "--no-such-flag"], "--no-such-flag"),
            (["replay"], "FILE"),
        ]:
            status, out, err = run(*arguments)
            self.assertEqual((status, out), (2, ""), (arguments, err))
            self.assertIn(words, err, arguments)
            self.assertEqual(err.count("\n"), 1, err)
        status, _, err = run("replay", "/no/such/file")
        self.assertEqual(status, 1)
        self.assertIn("/no/such/file", err)

    def test_help_names_commands_and_flags(self):
        status, out, _ = run("--help")
        self.assertEqual(status, 0)
        self.assertIn("replay", out)
        self.assertIn("--loss-private", run("run", "--help")[1])


if __name__ == "__main__":
    unittest.main()
