"""What the tool itself does on real hosts, beyond moving one file: feeds, many sessions, reports, closed pipes."""

import json
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'hosts'))

from harness import suite
from harness.process import Process, wait_until
from harness.transfer import GROUP, TransferTest, digest


class Tool(TransferTest):
    def test_a_feed_under_loss_is_checked_message_by_message(self):
        self.make_hosts(1)
        self.receivers[0].cable.lose(1, towards=True)
        report = self.folder / 'report'
        sub = self.subscribers[0].tool('sub', GROUP, '--feed-check', '--report', str(report))
        self.subscribers[0].await_listener(sub)
        sent = self.folder / 'sent'
        pub = self.publisher.tool('pub', GROUP, '--feed', '5000,20000,7', '--report', str(sent))
        self.assertEqual(pub.wait(60), 0, pub.text())
        self.assertEqual(sub.wait(30), 0, sub.text())
        got = json.loads(report.read_text())
        self.assertTrue(got['good'])
        self.assertEqual((got['messages'], got['damaged'], got['out_of_order']), (20000, 0, 0))
        self.assertEqual(got['bytes'], json.loads(sent.read_text())['bytes'])
        self.assertGreater(got['rdata_received'], 0)
        self.assertGreaterEqual(got['delay_us']['max'], got['delay_us']['p50'])

    def test_sessions_go_to_a_file_each(self):
        self.make_hosts(1)
        folder, report = self.folder / 'out', self.folder / 'report'
        folder.mkdir()
        sub = self.subscribers[0].tool('sub', GROUP, '--sessions', '3', '--output', str(folder), '--report', str(report))
        self.subscribers[0].await_listener(sub)
        wanted = set()
        for i in range(3):
            path = self.folder / f'in{i}'
            path.write_bytes(bytes([65 + i]) * (100_000 * (i + 1)))
            wanted.add(digest(path))
            self.publisher.publish(GROUP, path, '--rate', '50')
        self.assertEqual(sub.wait(60), 0, sub.text())
        self.assertEqual({digest(path) for path in folder.iterdir()}, wanted)
        figures = json.loads(report.read_text())
        self.assertEqual({pathlib.Path(f['file']) for f in figures}, set(folder.iterdir()))
        self.assertEqual(sum(f['bytes'] for f in figures), 600_000)

    def test_count_and_separator(self):
        self.make_hosts(1)
        out = self.folder / 'lines'
        sub = self.subscribers[0].subscribe(GROUP, out, '--count', '3', '--separator', r'--\n')
        report = self.folder / 'report'
        pub = self.publisher.tool('pub', GROUP, '--lines', '--report', str(report), stdin=subprocess.PIPE)
        pub.popen.stdin.write(b'a\nb\nc\nd\nno newline')
        pub.popen.stdin.close()
        self.assertEqual(pub.wait(30), 0, pub.text())
        self.assertEqual(sub.wait(30), 0, sub.text())
        self.assertEqual(out.read_bytes(), b'a\n--\nb\n--\nc\n--\n')
        self.assertEqual(json.loads(report.read_text())['odata_sent'], 5)

    def test_an_output_that_is_closed_ends_sub_with_one_line(self):
        self.make_hosts(1)
        sub = self.subscribers[0].tool('sub', GROUP, stdout=subprocess.PIPE)
        self.subscribers[0].await_listener(sub)
        sub.popen.stdout.close()
        pub = self.publisher.publish(GROUP, self.file(1 << 20), '--rate', '100')
        self.assertEqual(sub.wait(30), 1, sub.text())
        self.assertIn('standard output', sub.text().splitlines()[-1])
        self.assertEqual(pub.wait(30), 0, pub.text())

    def test_waiting_commands_say_that_the_daemon_died(self):
        self.make_hosts(1)
        daemon = self.subscribers[0]
        waiting = [daemon.tool('sub', GROUP), daemon.tool('sub', GROUP, '--feed-check'),
                   daemon.tool('pub', GROUP, stdin=subprocess.PIPE),
                   daemon.tool('pub', '239.77.0.9:7500', '--feed', '100,1000000')]
        for process in waiting[:2]:
            daemon.await_listener(process)
        self.assertTrue(wait_until(lambda: len(daemon.status().get('sources', [])) == 2, 20), 'pub does not connect')
        daemon.process.signal(signal.SIGKILL)
        for process in waiting:
            self.assertEqual(process.wait(20), 1, process.text())
            self.assertIn('daemon', process.text().splitlines()[-1])

    def test_a_terminal_that_goes_away_ends_what_nohup_does_not_keep(self):
        self.make_hosts(1)
        daemon = self.subscribers[0]
        ends = daemon.tool('sub', GROUP)
        daemon.await_listener(ends)
        stays = self.keep(Process(['nohup', suite.FANFARE, '--control', daemon.socket, 'sub', GROUP]))
        daemon.await_listener(stays)
        for process in (stays, ends):
            process.signal(signal.SIGHUP)
        self.assertEqual(ends.wait(20), 1, ends.text())
        self.assertIn('interrupted', ends.text())
        daemon.process.signal(signal.SIGHUP)
        self.assertEqual(daemon.process.wait(20), 0, daemon.process.text())
        self.assertFalse(daemon.socket.exists())
        self.assertEqual(stays.wait(20), 1, stays.text())
        self.assertIn('daemon', stays.text().splitlines()[-1])

    def test_an_empty_input_is_an_empty_output(self):
        self.make_hosts(1)
        subs = self.listen()
        pub = self.publisher.tool('pub', GROUP)
        self.assertEqual(pub.wait(30), 0, pub.text())
        self.assertEqual(subs[0].wait(30), 0, subs[0].text())
        self.assertEqual(self.outputs()[0].stat().st_size, 0)


if __name__ == '__main__':
    suite.main()
