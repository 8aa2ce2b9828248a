"""Files of any size cross hosts bit for bit while the network loses packets."""

from harness import suite
from harness.transfer import GROUP, PACE, TransferTest, digest


class Transfer(TransferTest):
    def lossy(self, subscribers, percent):
        self.make_hosts(subscribers)
        self.sender.cable.lose(percent)
        for host in self.receivers:  # NAKs are lost on their way in, each host's own copies on their way out
            host.cable.lose(percent)
            host.cable.lose(percent, towards=True)

    def test_a_stream_survives_one_percent_loss(self):
        self.lossy(1, 1)
        self.move(suite.BYTES)
        self.expect_loss()

    def test_messages_survive_one_percent_loss(self):
        self.lossy(1, 1)
        self.move(suite.BYTES, publish=('--message', '1400'))
        self.expect_loss()

    def test_udp_form_survives_one_percent_loss(self):
        self.lossy(1, 1)
        self.move(suite.BYTES, publish=('--udp', '7600'), subscribe=('--udp', '7600'))
        self.expect_loss()

    def test_fragmented_messages_survive_one_percent_loss(self):
        self.lossy(1, 1)
        self.move(suite.BYTES // 2, publish=('--message', '20000'))
        self.expect_loss()

    def test_three_subscribers_at_once(self):
        self.lossy(3, 1)
        self.move(suite.BYTES)
        self.expect_loss()

    def test_ten_percent_loss(self):
        self.lossy(1, 10)
        self.move(suite.BYTES)
        self.expect_loss()

    def test_three_subscribers_with_ten_percent_loss(self):
        self.lossy(3, 10)
        self.move(suite.BYTES // 2, publish=('--message', '1400'))
        self.expect_loss()

    def test_packed_lines_arrive_in_order(self):
        self.lossy(1, 1)
        self.input = self.folder / 'input'
        self.input.write_bytes(b''.join(b'%d %s\n' % (i, b'x' * (i % 97)) for i in range(100_000)))
        self.digest = digest(self.input)
        subs = self.listen()
        self.expect_equal(subs, self.publisher.publish(GROUP, self.input, *PACE, '--lines', '--pack'))

    def test_files_of_few_octets_arrive(self):
        self.make_hosts(1)
        for size in (1, 2, 1451, 1452, 1453, 4096):
            with self.subTest(size=size):
                self.move(size)

    def test_af_packet_ports_carry_a_file(self):
        self.make_hosts(1, kind='af_packet')
        self.sender.cable.lose(1)
        self.move(suite.BYTES // 4)
        self.expect_loss()


if __name__ == '__main__':
    suite.main()
