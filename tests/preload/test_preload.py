"""Unmodified programs under the preload library, against a real daemon on a ring device: it needs neither root nor a
network, and its own loopback carries what is sent.

PROGRAM, WAITING, EDGES, PASSED, FOREIGN, EARLY, RANDOM_PRELOAD, RANDOM_LIBRARY, PRODUCER, CONSUMER, PRELOAD, FANFARE, FANFARED name what is tested.
FANFARE_TEST_SEED       random calls with this seed instead of the usual ones"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = [int(os.environ['FANFARE_TEST_SEED'])] if 'FANFARE_TEST_SEED' in os.environ else [1, 20_261_124]
CALLS = 10_000
SCENARIOS = ('calls', 'stream', 'readiness', 'writable', 'modes', 'dup', 'fork', 'exec', 'exec_without_daemon', 'signals',
             'interrupts', 'limits', 'standard')


class Preload(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix='fanfare-preload-')
        cls.addClassCleanup(cls.folder.cleanup)
        cls.control = pathlib.Path(cls.folder.name) / 'control.sock'
        cls.said = open(pathlib.Path(cls.folder.name) / 'daemon', 'w+b')
        cls.addClassCleanup(cls.said.close)
        cls.daemon = subprocess.Popen(
            [os.environ['FANFARED'], '--control', cls.control, '--lcores', '0', '--idle', 'sleep', '--interface',
             'ring,10.9.0.1/24,net_ring0'], stderr=cls.said, stdin=subprocess.DEVNULL)
        cls.addClassCleanup(cls.stop)
        limit = time.monotonic() + 30
        while b'ready' not in cls.words():
            if cls.daemon.poll() is not None or time.monotonic() > limit:
                raise AssertionError(f'the daemon does not start: {cls.words()}')
            time.sleep(0.05)

    @classmethod
    def words(cls):
        return os.pread(cls.said.fileno(), 100_000, 0)

    @classmethod
    def stop(cls):
        cls.daemon.send_signal(signal.SIGTERM)
        cls.daemon.wait(20)

    def run_program(self, *argv, control=None, **options):
        """`fanfare run` of a program; what it printed."""
        done = subprocess.run([os.environ['FANFARE'], '--control', control or self.control, 'run', *argv],
                              capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL, **options)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-4000:])
        self.assertIsNone(self.daemon.poll(), 'the daemon has gone')
        return done

    def test_every_call_of_a_program(self):
        for scenario in SCENARIOS:
            with self.subTest(scenario):
                told = self.run_program(os.environ['PROGRAM'], scenario).stdout
                self.assertEqual(told, 'before\nafter\n' if scenario == 'standard' else '')
                self.expect_no_socket_left()

    def test_every_way_to_wait(self):
        for scenario in ('reset', 'many', 'flags'):
            with self.subTest(scenario):
                self.run_program(os.environ['WAITING'], scenario)
                self.expect_no_socket_left()

    def test_edges_and_short_counts(self):
        self.run_program(os.environ['EDGES'])
        self.expect_no_socket_left()

    def test_sockets_passed_to_another_process(self):
        self.run_program(os.environ['PASSED'])
        self.expect_no_socket_left()

    def expect_no_socket_left(self):
        limit = time.monotonic() + 20
        while True:
            status = subprocess.run([os.environ['FANFARE'], '--control', self.control, 'status', '--json'],
                                    capture_output=True, text=True, timeout=20, check=True).stdout
            if json.loads(status)['control']['sockets_open'] == 0 and self.pages_of_sockets() == 0:
                return
            self.assertLess(time.monotonic(), limit, status)
            time.sleep(0.1)

    def pages_of_sockets(self):
        """What the daemon holds of sockets: their pages, mapped and open."""
        process = pathlib.Path('/proc') / str(self.daemon.pid)
        held = [os.readlink(fd) for fd in (process / 'fd').iterdir() if fd.is_symlink()]
        return sum('memfd:fanfare-socket' in name for name in [*held, *(process / 'maps').read_text().splitlines()])

    def test_options_show_the_values_of_a_session(self):
        tool = [os.environ['FANFARE'], '--control', self.control]
        with subprocess.Popen([*tool, 'pub', '239.6.6.6:7500', '--late-join', '20', '--window-bytes', '1000000', '--rate', '8'],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as pub:
            try:
                sources, limit = [], time.monotonic() + 20
                while not sources:
                    self.assertLess(time.monotonic(), limit)
                    told = subprocess.run([*tool, 'status', '--json'], capture_output=True, text=True, timeout=20, check=True)
                    sources = [s for s in json.loads(told.stdout)['sources'] if s['group'] == '239.6.6.6:7500']
                told = subprocess.run([*tool, 'options', str(sources[0]['socket'])], capture_output=True, text=True,
                                      timeout=20, check=True).stdout
                values = {line.split()[0]: line for line in told.splitlines() if line[:3] in ('RM_', 'FAN')}
                self.assertEqual(len(values), 24)
                self.assertTrue(values['RM_LATEJOIN'].endswith(' 20'), told)
                self.assertTrue(values['RM_RATE_WINDOW_SIZE'].endswith(' 8000 kbit/s, 1000 ms, 1000000 octets'), told)
                self.assertTrue(values['RM_SET_SEND_IF'].endswith(' 10.9.0.1'), told)
                self.assertTrue(values['RM_RECEIVER_STATISTICS'].endswith(' -'), told)
                self.assertIn('TotalBytesSent', values['RM_SENDER_STATISTICS'])
                refused = subprocess.run([*tool, 'options', '99999'], capture_output=True, text=True, timeout=20)
                self.assertEqual((refused.returncode, len(refused.stderr.splitlines())), (1, 1), refused.stderr)
            finally:
                pub.stdin.close()

    def test_random_calls(self):
        for seed in SEEDS:
            for program in ('RANDOM_PRELOAD', 'RANDOM_LIBRARY'):
                with self.subTest(program, seed=seed):
                    print(f'{program} seed {seed}', flush=True)
                    self.run_program('--datagram', os.environ[program], str(seed), str(CALLS))
                    self.expect_no_socket_left()

    def test_producers_and_a_consumer(self):
        run = [os.environ['FANFARE'], '--control', self.control, 'run']
        group = f'239.5.{os.getpid() & 255}.1:7500'
        with tempfile.TemporaryFile('w+') as out, tempfile.TemporaryFile('w+') as told:
            consumer = subprocess.Popen([*run, os.environ['CONSUMER'], group, '--interface', '10.9.0.1', '--sessions', '2'],
                                        stdout=out, stderr=told)
            try:
                limit = time.monotonic() + 20
                while b'listening' not in os.pread(told.fileno(), 1000, 0):
                    self.assertLess(time.monotonic(), limit)
                    time.sleep(0.02)
                lines = [[f'{who} {i} ' + 'x' * (i * 37 % 9000) for i in range(200)] for who in 'ab']
                for texts, flags in zip(lines, (['--pieces', '700'], ['--rate', '800000', '--window-ms', '500'])):
                    subprocess.run([*run, os.environ['PRODUCER'], group, '--ttl', '4', *flags],
                                   input='\n'.join(texts) + '\n', text=True, timeout=60, check=True)
                status = consumer.wait(60)
            finally:
                consumer.kill()
                consumer.wait()
            out.seek(0)
            told.seek(0)
            self.assertEqual(status, 0, told.read())
            got = {}
            for line in out.read().splitlines():
                name, text = line.split(': ', 1)
                got.setdefault(name, []).append(text)
            self.assertEqual(sorted(got.values()), lines)
            self.assertTrue(all(name.startswith('10.9.0.1:') for name in got))

    def test_python(self):
        self.run_program(sys.executable, HERE / 'python_sockets.py')

    def test_calls_on_datagram_sockets(self):
        self.run_program('--datagram', sys.executable, HERE / 'datagram_calls.py')
        self.expect_no_socket_left()

    def test_a_datagram_socket_is_inherited_over_fork_and_exec(self):
        self.run_program('--datagram', sys.executable, HERE / 'datagram_inheritance.py')
        self.expect_no_socket_left()

    def test_other_descriptors_are_the_kernels(self):
        with tempfile.TemporaryDirectory() as folder:
            plain = subprocess.run([os.environ['FOREIGN'], folder], capture_output=True, text=True, timeout=90,
                                   stdin=subprocess.DEVNULL)
            self.assertEqual(plain.returncode, 0, plain.stderr)
            preloaded = self.run_program(os.environ['FOREIGN'], folder)
        self.assertEqual(preloaded.stdout, plain.stdout)
        self.assertGreater(len(plain.stdout.splitlines()), 40)

    def test_calls_before_the_librarys_constructor(self):
        # The dynamic linker starts preloaded libraries from the last to the first.
        done = subprocess.run(['true'], capture_output=True, text=True, timeout=30, env={
            **os.environ, 'FANFARE_CONTROL': str(self.control),
            'LD_PRELOAD': f'{os.environ["PRELOAD"]}:{os.environ["EARLY"]}'})
        self.assertEqual((done.returncode, done.stderr), (0, 'early: good\n'))

    def test_run_says_what_is_wrong_and_keeps_what_was_preloaded(self):
        def refused(*argv):
            done = subprocess.run([os.environ['FANFARE'], *argv], capture_output=True, text=True, timeout=30)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            return done.stderr
        self.assertIn('/no/such/program', refused('run', '/no/such/program'))
        self.assertIn('PROGRAM', refused('run'))
        # Only where it belongs is the library found: in an installation, not in a folder without one.
        with tempfile.TemporaryDirectory() as folder:
            tool, library = pathlib.Path(folder) / 'bin' / 'fanfare', pathlib.Path(folder) / 'lib' / 'libfanfare-preload.so'
            for path, source in ((tool, 'FANFARE'), (library, 'PRELOAD')):
                path.parent.mkdir()
                shutil.copy(os.environ[source], path)
            subprocess.run([tool, 'run', 'true'], check=True, timeout=30)
            library.unlink()
            missing = subprocess.run([tool, 'run', 'true'], capture_output=True, text=True, timeout=30)
            self.assertEqual(missing.returncode, 1)
            self.assertIn('libfanfare-preload.so', missing.stderr)
        told = self.run_program('sh', '-c', 'echo "$LD_PRELOAD|$FANFARE_CONTROL"',
                                env={**os.environ, 'LD_PRELOAD': os.environ['EARLY']}).stdout.strip()
        self.assertEqual(told, f'{os.environ["EARLY"]}:{os.path.realpath(os.environ["PRELOAD"])}|{self.control}')

    def test_without_a_daemon_a_socket_is_refused_and_the_rest_works(self):
        code = ('import socket\n'
                'try: socket.socket(socket.AF_INET, socket.SOCK_RDM, 113)\n'
                'except OSError as e: print(e.errno)\n'
                'socket.socket().close()\n')
        told = self.run_program(sys.executable, '-c', code, control='/nonexistent/control.sock').stdout
        self.assertEqual(told, '94\n')  # ESOCKTNOSUPPORT


if __name__ == '__main__':
    unittest.main(verbosity=2)
