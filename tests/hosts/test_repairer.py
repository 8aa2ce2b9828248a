"""A designated local repairer above a site: who repairs, what is repaired, and what happens when it dies.

    source - router - middle - router - site: receivers
                         |
                     repairer
"""

import signal
import time

from harness import suite
from harness.daemon import Daemon, numbers
from harness.process import wait_until
from harness.router import Router
from harness.transfer import GROUP, TransferTest, make_file

SOURCE, GROUP_ADDRESS = '10.81.1.1', GROUP.split(':')[0]


class Repairer(TransferTest):
    def make_site(self, subscribers=2, repairer=()):
        upper, middle, site = self.make_network(), self.make_network(), self.make_network()
        self.sender = upper.host('pub', f'{SOURCE}/24')
        self.above = self.router('r1', (upper, '10.81.1.254/24'), (middle, '10.81.2.1/24'))
        self.below = self.router('r2', (middle, '10.81.2.2/24'), (site, '10.81.3.254/24'))
        self.above.route('10.81.3.0/24', '10.81.2.2')
        self.below.route('10.81.1.0/24', '10.81.2.1')
        host = middle.host('dlr', '10.81.2.9/24')
        self.receivers = [site.host(f'sub{i}', f'10.81.3.{10 + i}/24') for i in range(subscribers)]
        self.publisher = Daemon(self, self.sender)
        self.repairer = Daemon(self, host, extra=('--role', 'dlr', '--follow', GROUP, *repairer))
        self.subscribers = [Daemon(self, receiver) for receiver in self.receivers]

    def router(self, name, *attachments):
        router = Router(name, attachments)
        self.undo(router.close)
        router.forward(SOURCE, GROUP_ADDRESS)
        return router

    def lose_towards_the_site(self, percent):
        self.below.host.cables[1].heal()
        self.below.host.cables[1].lose(percent)

    def repairs(self, name):
        return numbers(self.repairer.status()['receivers'], name)

    def source(self, name):
        return numbers(self.publisher.status()['sources'], name)

    def await_repairs(self, name, at_least=1, seconds=30):
        self.assertTrue(wait_until(lambda: self.repairs(name) >= at_least, seconds, 0.1),
                        f'{name} never reached {at_least}: {self.repairer.status()["receivers"]}')

    def start(self, size, *options):
        self.input = self.folder / 'input'
        self.digest = make_file(self.input, size)
        subs = self.listen()
        return subs, self.publisher.publish(GROUP, self.input, *options)

    def test_losses_of_the_site_are_repaired_by_it_and_the_source_hears_null_naks(self):
        self.make_site()
        subs, pub = self.start(16 << 20, '--rate', '40', '--window-ms', '3000')
        self.await_repairs('repair_offers_sent')
        time.sleep(0.2)
        before = self.source('naks_received')
        self.lose_towards_the_site(2)
        self.above.host.cables[1].lose(0.2)
        self.expect_equal(subs, pub)
        repaired = self.repairs('repair_rdata_sent')
        naks, lost_above = self.source('naks_received') - before, self.above.host.cables[1].dropped()
        print(f'\nrepaired by the repairer {repaired}, NAKs at the source {naks} for {lost_above} frames lost above, '
              f'null NAKs {self.source("nnaks_received")}, RDATA of the source {self.source("rdata_sent")}', flush=True)
        self.assertGreater(repaired, 50)
        self.assertGreater(self.source('nnaks_received'), 0)
        self.assertGreater(lost_above, 0)
        # One for each loss above; a second where the NAK's NCF or repair was lost as well.
        self.assertLessEqual(naks, 2 * lost_above)
        shown = next(r for r in self.repairer.status()['receivers'] if r.get('repaired_here') == 'yes')
        self.assertGreater(shown['repair_memory_packets'], 0)
        self.assertEqual(shown['state'], 'finished')

    def test_data_that_the_sources_window_has_passed_is_repaired_out_of_a_file(self):
        files = self.folder / 'files'
        files.mkdir()
        (self.folder / 'dlr.toml').write_text(
            f'[repairer]\ndirectory = "{files}"\nwindow_mib = 1\nfile_mib = 64\n'
            '[memory]\nreceive_window_mib = 1\n')
        self.make_site(1, repairer=('--config', self.folder / 'dlr.toml'))
        subs, pub = self.start(16 << 20, '--rate', '20', '--window-ms', '200')
        self.await_repairs('repair_offers_sent')
        time.sleep(0.3)
        self.lose_towards_the_site(100)
        time.sleep(2)
        self.lose_towards_the_site(0)
        self.expect_equal(subs, pub)
        print(f'\nout of memory {self.repairs("repair_rdata_sent") - self.repairs("repair_file_rdata_sent")}, '
              f'out of the file {self.repairs("repair_file_rdata_sent")}; {self.repairer.process.text()}', flush=True)
        self.assertGreater(self.repairs('repair_file_rdata_sent'), 1000)
        self.assertEqual(self.repairs('repair_file_failures'), 0)
        self.assertEqual(list(files.iterdir()), [], 'the file has no name')

    def test_when_it_is_killed_receivers_go_back_to_the_source(self):
        self.make_site()
        subs, pub = self.start(16 << 20, '--rate', '40', '--window-ms', '3000')
        self.await_repairs('repair_offers_sent')
        self.lose_towards_the_site(2)
        self.await_repairs('repair_rdata_sent', 20)
        before = self.source('rdata_sent')
        self.repairer.process.signal(signal.SIGKILL)
        self.expect_equal(subs, pub)
        self.assertGreater(self.source('rdata_sent'), before)


if __name__ == '__main__':
    suite.main()
