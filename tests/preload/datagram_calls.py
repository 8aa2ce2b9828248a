"""What programs do to a datagram socket beside sending and receiving, under `fanfare run --datagram`."""

import asyncio
import errno
import fcntl
import socket
import struct
import threading
import time
import unittest

HERE = '10.9.0.1'
SIOCGIFADDR = 0x8915


class DatagramCalls(unittest.TestCase):
    def socket(self):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(made.close)
        return made

    def test_a_connected_socket_has_the_name_that_it_sends_by(self):
        sock = self.socket()
        self.assertEqual(sock.getsockname(), ('0.0.0.0', 0))
        sock.connect(('10.9.0.77', 9))
        self.assertEqual(sock.getsockname()[0], HERE)
        self.assertEqual(sock.getpeername(), ('10.9.0.77', 9))

    def test_interfaces_are_asked_of_it(self):
        told = fcntl.ioctl(self.socket().fileno(), SIOCGIFADDR, struct.pack('256s', b'lo'))
        self.assertEqual(socket.inet_ntoa(told[20:24]), '127.0.0.1')

    def test_shutdown_wakes_who_waits_also_without_a_peer(self):
        sock = self.socket()
        sock.bind((HERE, 0))
        got = []
        waiter = threading.Thread(target=lambda: got.append(sock.recv(10)))
        waiter.start()
        time.sleep(0.05)
        with self.assertRaises(OSError) as refused:
            sock.shutdown(socket.SHUT_RDWR)
        self.assertEqual(refused.exception.errno, errno.ENOTCONN)
        waiter.join(20)
        self.assertEqual(got, [b''])
        with self.assertRaises(BrokenPipeError):
            sock.sendto(b'x', (HERE, 9))

    def test_asyncio_endpoints(self):
        async def talk():
            loop = asyncio.get_running_loop()
            got = loop.create_future()

            class Receiver(asyncio.DatagramProtocol):
                def datagram_received(self, data, addr):
                    got.set_result((data, addr[0]))

            receiving, _ = await loop.create_datagram_endpoint(Receiver, local_addr=(HERE, 0))
            sending, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=receiving.get_extra_info('sockname'), allow_broadcast=True)
            sending.sendto(b'said')
            try:
                return await asyncio.wait_for(got, 20)
            finally:
                receiving.close()
                sending.close()

        self.assertEqual(asyncio.run(talk()), (b'said', HERE))


if __name__ == '__main__':
    unittest.main(verbosity=2)
