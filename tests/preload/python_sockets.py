"""Python's own socket module with reliable-multicast sockets. Run under the preload library; argument: a test's name."""

import array
import asyncio
import errno
import fcntl
import os
import select
import selectors
import socket
import struct
import subprocess
import sys
import termios
import threading
import unittest

IPPROTO_RM = 113
RM_LATEJOIN = 1006


class PythonSockets(unittest.TestCase):
    number = 0

    def setUp(self):
        type(self).number += 1
        self.group = (f'239.3.{os.getpid() & 255}.{self.number}', 7000 + (os.getpid() >> 8 & 255))
        self.addCleanup(lambda: [s.close() for s in reversed(self.sockets)])
        self.sockets = []

    def keep(self, sock):
        self.sockets.append(sock)
        return sock

    def listener(self, kind=socket.SOCK_RDM):
        sock = self.keep(socket.socket(socket.AF_INET, kind, IPPROTO_RM))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(self.group)
        sock.listen(5)
        return sock

    def sender(self, kind=socket.SOCK_RDM):
        sock = self.keep(socket.socket(socket.AF_INET, kind, IPPROTO_RM))
        sock.connect(self.group)
        return sock

    def pair(self, kind=socket.SOCK_RDM):
        """A sender, and the socket that has received its first message."""
        listener, sender = self.listener(kind), self.sender(kind)
        sender.send(b'first')
        listener.settimeout(20)
        receiver, peer = listener.accept()
        self.keep(receiver)
        self.assertEqual(receiver.getpeername(), peer)
        self.assertEqual(receiver.recv(100), b'first')
        return sender, receiver

    def test_message_boundaries_are_kept(self):
        sender, receiver = self.pair()
        self.assertEqual((receiver.family, receiver.type), (socket.AF_INET, socket.SOCK_RDM))
        messages = [bytes([i % 251]) * (i * 7 % 3000) for i in range(300)]
        thread = threading.Thread(target=lambda: [sender.sendall(m) if m else sender.send(m) for m in messages])
        thread.start()
        got = [receiver.recv(65536) for _ in messages]
        thread.join()
        self.assertEqual(got, messages)
        sender.shutdown(socket.SHUT_WR)
        with self.assertRaises(OSError) as end:
            receiver.recv(1)
        self.assertEqual(end.exception.errno, errno.ESHUTDOWN)
        with self.assertRaises(BrokenPipeError):
            sender.send(b'x')

    def test_every_receiving_call(self):
        sender, receiver = self.pair()
        sender.sendmsg([b'send', b'msg'])
        sender.sendto(b'sendto', self.group)
        for text in (b'recv_into', b'recvmsg_into', b'recvmsg', b'peeked'):
            sender.send(text)
        self.assertEqual(receiver.recvfrom(100), (b'sendmsg', receiver.getpeername()))
        self.assertEqual(os.read(receiver.fileno(), 100), b'sendto')
        room = bytearray(20)
        self.assertEqual(receiver.recv_into(room), 9)
        self.assertEqual(receiver.recvmsg_into([room])[0], 12)
        data, _, flags, _ = receiver.recvmsg(3)
        self.assertEqual((data, flags & socket.MSG_EOR), (b'rec', 0))
        data, _, flags, _ = receiver.recvmsg(100)
        self.assertEqual((data, flags & socket.MSG_EOR), (b'vmsg', socket.MSG_EOR))
        self.assertEqual(receiver.recv(100, socket.MSG_PEEK), b'peeked')
        octets = array.array('i', [0])
        fcntl.ioctl(receiver.fileno(), termios.FIONREAD, octets)
        self.assertEqual(octets[0], 6)
        self.assertEqual(receiver.recv(100), b'peeked')

    def test_timeouts_and_non_blocking(self):
        sender, receiver = self.pair()
        receiver.settimeout(0.05)
        with self.assertRaises(TimeoutError):
            receiver.recv(1)
        receiver.setblocking(False)
        with self.assertRaises(BlockingIOError):
            receiver.recv(1)
        receiver.settimeout(20)
        threading.Timer(0.05, sender.send, (b'late',)).start()
        self.assertEqual(receiver.recv(10), b'late')

    def test_select_poll_and_selectors(self):
        sender, receiver = self.pair()
        for wait in (select.poll(), select.epoll()):
            self.assertEqual(select.select([receiver], [sender], [], 0), ([], [sender], []))
            wait.register(receiver, select.POLLIN)
            self.assertEqual(wait.poll(0), [])
            sender.send(b'x')
            self.assertEqual(wait.poll(20), [(receiver.fileno(), select.POLLIN)])
            self.assertEqual(select.select([receiver], [], [], 0)[0], [receiver])
            self.assertEqual(receiver.recv(10), b'x')
            self.assertEqual(wait.poll(0), [])
        selector = self.keep(selectors.DefaultSelector())
        selector.register(receiver, selectors.EVENT_READ)
        sender.close()  # ends in good order
        self.assertEqual(len(selector.select(20)), 1)

    def test_a_reset_is_an_error_in_poll_epoll_and_selectors(self):
        everything = select.POLLIN | select.POLLERR | select.POLLHUP
        for wait, patience in ((select.poll(), 20_000), (select.epoll(), 20)):
            sender, receiver = self.pair()
            selector = self.keep(selectors.DefaultSelector())
            selector.register(receiver, selectors.EVENT_READ)
            wait.register(receiver, select.POLLIN)
            self.assertEqual(wait.poll(0), [])
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            threading.Timer(0.05, sender.close).start()
            shown = wait.poll(patience)
            if shown == [(receiver.fileno(), select.POLLIN)]:  # a late announcement of what was read
                with self.assertRaises(BlockingIOError):
                    receiver.recv(1, socket.MSG_DONTWAIT)
                shown = wait.poll(patience)
            self.assertEqual(shown, [(receiver.fileno(), everything)])
            self.assertEqual(len(selector.select(20)), 1)
            self.assertEqual([len(ready) for ready in select.select([receiver], [], [receiver], 20)], [1, 0, 0])
            self.assertEqual(receiver.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), errno.ECONNRESET)
            with self.assertRaises(ConnectionResetError):
                receiver.recv(1)

    def test_asyncio_streams(self):
        lines = [b'line %d of an asyncio stream\n' % i for i in range(2000)]

        async def talk():
            ended = asyncio.get_running_loop().create_future()

            async def serve(reader, writer):
                got = [await reader.readline() for _ in lines]
                self.assertEqual(await reader.read(), b'')
                writer.close()
                ended.set_result(got)

            server = await asyncio.start_server(serve, sock=self.listener(socket.SOCK_STREAM))
            sender = self.sender(socket.SOCK_STREAM)
            _, writer = await asyncio.open_connection(sock=sender)
            for line in lines:
                writer.write(line)
                await writer.drain()
            writer.write_eof()
            got = await asyncio.wait_for(ended, 20)
            writer.close()
            server.close()
            return got

        self.assertEqual(asyncio.run(talk()), lines)

    def test_asyncio_tells_a_reset(self):
        sender, receiver = self.pair(socket.SOCK_STREAM)

        async def read():
            reader, writer = await asyncio.open_connection(sock=receiver)
            sender.send(b'all of it')
            self.assertEqual(await reader.readexactly(9), b'all of it')
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            sender.close()
            with self.assertRaises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 20)
            writer.close()

        asyncio.run(read())

    def test_makefile_of_a_stream(self):
        sender, receiver = self.pair(socket.SOCK_STREAM)
        with sender.makefile('w') as out, receiver.makefile('r') as lines:
            for i in range(1000):
                print('line', i, file=out)
            out.flush()
            sender.shutdown(socket.SHUT_WR)
            self.assertEqual([line.split() for line in lines], [['line', str(i)] for i in range(1000)])

    def test_sendfile_falls_back(self):
        sender, receiver = self.pair(socket.SOCK_STREAM)
        with open(__file__, 'rb') as file:
            content = file.read()
            file.seek(0)
            self.assertEqual(sender.sendfile(file), len(content))
        sender.shutdown(socket.SHUT_WR)
        got = b''
        while part := receiver.recv(65536):
            got += part
        self.assertEqual(got, content)

    def test_duplicates_and_subprocesses(self):
        sender, receiver = self.pair()
        twin = self.keep(sender.dup())
        sender.close()
        twin.send(b'one')
        twin.send(b'two')
        self.assertEqual(receiver.recv(10), b'one')
        fd = receiver.fileno()
        code = f'import socket; s = socket.socket(fileno={fd}); print(s.type.name, s.recv(10)); s.detach()'
        told = subprocess.run([sys.executable, '-c', code], pass_fds=[fd], capture_output=True, text=True, timeout=30)
        self.assertEqual(told.stdout, "SOCK_RDM b'two'\n", told.stderr)
        # One that inherits nothing leaves everything as it was.
        subprocess.run(['true'], check=True, close_fds=True)
        twin.send(b'three')
        self.assertEqual(receiver.recv(10), b'three')

    def test_options_and_errors(self):
        sender = self.keep(socket.socket(socket.AF_INET, socket.SOCK_RDM, IPPROTO_RM))
        sender.setsockopt(IPPROTO_RM, RM_LATEJOIN, 20)
        self.assertEqual(sender.getsockopt(IPPROTO_RM, RM_LATEJOIN), 20)
        for call, number in ((lambda: sender.setsockopt(IPPROTO_RM, RM_LATEJOIN, 76), errno.EINVAL),
                             (lambda: sender.setsockopt(IPPROTO_RM, 1015, 1), errno.ENOPROTOOPT),
                             (lambda: sender.connect(('10.0.0.1', 7500)), errno.EADDRNOTAVAIL),
                             (lambda: sender.send(b'x'), errno.ENOTCONN)):
            with self.assertRaises(OSError) as raised:
                call()
            self.assertEqual(raised.exception.errno, number)

    def test_other_sockets_beside_it(self):
        sender, receiver = self.pair()
        with socket.create_server(('127.0.0.1', 0)) as server, \
                socket.create_connection(server.getsockname()) as client:
            peer, _ = server.accept()
            with peer:
                for i in range(100):
                    client.sendall(b'tcp %d' % i)
                    sender.send(b'pgm %d' % i)
                    self.assertEqual(peer.recv(100), b'tcp %d' % i)
                    self.assertEqual(receiver.recv(100), b'pgm %d' % i)


if __name__ == '__main__':
    unittest.main(verbosity=2)
