"""Datagram multicast sockets of unmodified programs: every cell of the membership table by real calls, filters proved
by live traffic, and IGMPv3 towards a bridge that snoops and queries (wsrm.md section 7, checks 173 to 196)."""

import itertools
import pathlib
import re

from harness import suite
from harness.asked import AskedProgram
from harness.daemon import Daemon
from harness.process import wait_until

GROUP, PORT = '239.77.9.9', '7700'
PROGRAM = pathlib.Path(__file__).resolve().parent / 'datagram_program.py'
# A querier in a hurry, in hundredths of a second: what nobody answers for is forgotten after 6 s.
PACE = ('mcast_query_interval', 200, 'mcast_startup_query_interval', 100, 'mcast_query_response_interval', 50,
        'mcast_membership_interval', 600, 'mcast_last_member_interval', 50)
A, N = 'EADDRNOTAVAIL', 'EINVAL'
CALLS = ('add', 'drop', 'add_source', 'drop_source', 'block', 'unblock')
NEAR, OTHER = '10.77.0.1', '10.77.0.2'  # s of the table, and another source
# wsrm.md 7.2: state, the calls that lead there, what each of the six calls gives.
TABLE = (
    ('N', (), ('ok', N, 'ok', N, N, N)),
    ('NS', (('add_source', NEAR), ('drop_source', NEAR)), ('ok', N, 'ok', A, N, N)),
    ('A, B empty, s never blocked', (('add',),), (A, 'ok', A, N, 'ok', N)),
    ('A, B empty, s in H', (('add',), ('block', NEAR), ('unblock', NEAR)), (A, 'ok', A, N, 'ok', A)),
    ('A, s in B', (('add',), ('block', NEAR)), (N, 'ok', N, N, A, 'ok')),
    ('A, B not empty, s not in B, not in H', (('add',), ('block', OTHER)), (N, 'ok', N, N, 'ok', N)),
    ('A, B not empty, s not in B, in H', (('add',), ('block', NEAR), ('unblock', NEAR), ('block', OTHER)),
     (N, 'ok', N, N, 'ok', A)),
    ('I, s in S', (('add_source', NEAR),), (A, 'ok', A, 'ok', N, N)),
    ('I, s not in S', (('add_source', OTHER),), (A, 'ok', 'ok', A, N, N)),
)


class Program(AskedProgram):
    """datagram_program.py at a daemon; ask() is one command and its answer."""

    def __init__(self, daemon):
        super().__init__(daemon, PROGRAM, '--datagram')


class Datagrams(suite.HostTest):
    def make(self, hosts, **network):
        """Hosts 10.77.0.1 and on, each with a daemon and a program with a socket `s`."""
        self.network = self.make_network(**network)
        self.hosts = [self.network.host(f'h{i}', f'10.77.0.{i + 1}/24') for i in range(hosts)]
        self.daemons = [Daemon(self, host, kind='af_packet') for host in self.hosts]
        self.programs = [self.keep(Program(daemon)) for daemon in self.daemons]
        for program in self.programs:
            self.assertEqual(program.ask('open', 's', PORT), 'SOCK_DGRAM')
        return self.programs

    def texts(self, program, seconds=0.5):
        return [text for text, _sender, _info in program.ask('receive', 's', seconds)]

    def test_every_cell_of_the_membership_table_by_real_calls(self):
        """Check 196, and 193: each once with the IP_* calls, once with the MCAST_* ones in turn."""
        program, = self.make(1)
        cells = 0
        for prefix in ('', 'mcast_'):
            for (state, way, results), (number, call) in itertools.product(TABLE, enumerate(CALLS)):
                with self.subTest(state=state, call=prefix + call):
                    program.ask('open', 'c', 0)
                    for step in way:
                        self.assertEqual(program.ask('member', 'c', step[0], GROUP, *step[1:]), 'ok')
                    source = () if call in ('add', 'drop') else (NEAR,)
                    self.assertEqual(program.ask('member', 'c', prefix + call, GROUP, *source), results[number])
                    program.ask('close', 'c')
                    cells += 1
        self.assertEqual(cells, 2 * 54)

    def test_calls_of_one_host(self):
        """Sleeping and waking, truncation, EMSGSIZE beyond the MTU, options read back, nothing to receive."""
        program, = self.make(1)
        self.assertEqual(program.ask('member', 's', 'add', GROUP), 'ok')
        self.assertEqual(program.ask('empty', 's'), 'EAGAIN')
        self.assertEqual(program.ask('large', 's', 1472), 1472)
        self.assertEqual(program.ask('large', 's', 1473), 'EMSGSIZE')
        self.assertEqual(program.ask('options', 's'), [7, 0])
        program.ask('send', 's', GROUP, PORT, 'abcdef')
        self.assertEqual(program.ask('truncate', 's', 4), ['abcd', True])
        self.assertEqual(program.ask('blocking', 's'), 'wake')

    def test_a_refused_drop_leaves_traffic_flowing(self):
        """Check 175, where Linux itself falls silent; and 174."""
        sender, member = self.make(2)
        self.assertEqual(member.ask('member', 's', 'add', GROUP), 'ok')
        sender.ask('send', 's', GROUP, PORT, 'before')
        self.assertEqual(self.texts(member), ['before'])
        self.assertEqual(member.ask('member', 's', 'drop_source', GROUP, NEAR), N)
        self.assertEqual(member.ask('member', 's', 'add_source', GROUP, OTHER), A)
        sender.ask('send', 's', GROUP, PORT, 'after', 'again')
        self.assertEqual(self.texts(member), ['after', 'again'])

    def test_filters_hold_for_live_traffic(self):
        """Checks 190, 191, 195: who is blocked, who is listed, who joined nothing. IP_PKTINFO names the group."""
        near, other, member = self.make(3)

        def heard():
            near.ask('send', 's', GROUP, PORT, 'near')
            other.ask('send', 's', GROUP, PORT, 'other')
            got = member.ask('receive', 's', 0.5)
            for text, sender, info in got:
                self.assertEqual((sender, info), (NEAR if text == 'near' else OTHER, [GROUP]))
            return sorted(text for text, _sender, _info in got)

        self.assertEqual(heard(), [])
        for call, source, expected in (
                ('add', (), ['near', 'other']), ('block', (NEAR,), ['other']), ('unblock', (NEAR,), ['near', 'other']),
                ('drop', (), []), ('add_source', (NEAR,), ['near']), ('add_source', (OTHER,), ['near', 'other']),
                ('drop_source', (NEAR,), ['other']), ('drop_source', (OTHER,), [])):
            with self.subTest(call=call, source=source):
                self.assertEqual(member.ask('member', 's', call, GROUP, *source), 'ok')
                self.assertEqual(heard(), expected)

    def test_a_whole_filter_is_set_and_got(self):
        """IP_MSFILTER and MCAST_MSFILTER: one state with the six calls, and live traffic follows."""
        near, other, member = self.make(3)
        many = [f'10.9.9.{n + 1}' for n in range(50)]

        def heard():
            near.ask('send', 's', GROUP, PORT, 'near')
            other.ask('send', 's', GROUP, PORT, 'other')
            return sorted(self.texts(member))

        self.assertEqual(member.ask('filter', 's', 'ip', GROUP), A)
        self.assertEqual(member.ask('filter', 's', 'ip', GROUP, 'include'), N)
        for form in ('ip', 'mcast'):
            with self.subTest(form=form):
                self.assertEqual(member.ask('filter', 's', form, GROUP, 'include', NEAR), 'ok')
                self.assertEqual(member.ask('filter', 's', form, GROUP), ['include', NEAR])
                self.assertEqual(heard(), ['near'])
                self.assertEqual(member.ask('member', 's', 'add', GROUP), A)
                self.assertEqual(member.ask('filter', 's', form, GROUP, 'exclude', NEAR), 'ok')
                self.assertEqual(member.ask('filter', 's', form, GROUP), ['exclude', NEAR])
                self.assertEqual(heard(), ['other'])
                self.assertEqual(member.ask('member', 's', 'block', GROUP, OTHER), 'ok')
                self.assertEqual(member.ask('filter', 's', form, GROUP), ['exclude', NEAR, OTHER])
                self.assertEqual(member.ask('filter', 's', form, GROUP, 'exclude', *many), 'ok')
                self.assertEqual(member.ask('filter', 's', form, GROUP), ['exclude', *many])
                for number in range(14):  # to the limit, beyond what one request of the library carries
                    self.assertEqual(member.ask('member', 's', 'block', GROUP, f'10.9.8.{number + 1}'), 'ok')
                self.assertEqual(len(member.ask('filter', 's', form, GROUP)), 65)
                self.assertEqual(member.ask('filter', 's', form, GROUP, 'exclude', *many, *many), 'ENOBUFS')
                self.assertEqual(heard(), ['near', 'other'])
                self.assertEqual(member.ask('filter', 's', form, GROUP, 'include'), 'ok')
                self.assertEqual(member.ask('filter', 's', form, GROUP), A)
                self.assertEqual(heard(), [])

    def mdb(self):
        """What the bridge believes of the group: its mode and the sources with theirs, as iproute2 prints them."""
        text = self.network.middle.run('bridge', '-d', 'mdb', 'show', 'dev', 'bridge')
        return [' '.join(line.split()) for line in text.splitlines() if GROUP in line]

    def expect_mdb(self, words, seconds=10):
        """Waits until some entry of the group has all the words; no words: until there is no entry."""
        def there():
            entries = self.mdb()
            return not entries if not words else any(all(re.search(w, e) for w in words) for e in entries)
        self.assertTrue(wait_until(there, seconds), f'{words}: {self.mdb()}')

    def test_the_bridge_learns_what_is_joined_by_its_snooping(self):
        """A real querier, IGMPv3: joins, source lists and the end of both show in its table, and traffic follows."""
        sender, member = self.make(2, snooping=True, bridge=('mcast_igmp_version', 3, *PACE))
        self.assertEqual(member.ask('member', 's', 'add_source', GROUP, NEAR), 'ok')
        self.expect_mdb([r'filter_mode include', rf'source_list {NEAR}'])
        self.assertEqual(member.ask('member', 's', 'add_source', GROUP, OTHER), 'ok')
        self.expect_mdb([r'filter_mode include', NEAR, OTHER])
        self.assertEqual(member.ask('member', 's', 'drop', GROUP), 'ok')
        self.expect_mdb([])
        self.assertEqual(member.ask('member', 's', 'add', GROUP), 'ok')
        self.expect_mdb([r'filter_mode exclude'])
        self.assertEqual(member.ask('member', 's', 'block', GROUP, OTHER), 'ok')
        self.expect_mdb([r'filter_mode exclude', rf'{OTHER}/0.00'])
        sender.ask('send', 's', GROUP, PORT, 'through the snooping bridge')
        self.assertEqual(self.texts(member), ['through'] + ['the', 'snooping', 'bridge'])
        self.assertEqual(member.ask('member', 's', 'drop', GROUP), 'ok')
        self.expect_mdb([])
        # Queries are answered: what is joined outlives the querier's patience.
        self.assertEqual(member.ask('member', 's', 'add_source', GROUP, NEAR), 'ok')
        self.assertFalse(wait_until(lambda: not self.mdb(), 10), 'the bridge forgot the group')
        # The program's end leaves the group.
        member.stop()
        self.expect_mdb([])

    def test_an_older_querier_hears_version_two(self):
        _sender, member = self.make(2, snooping=True, bridge=('mcast_igmp_version', 2, *PACE))
        self.assertTrue(wait_until(lambda: self.queries() > 1, 20), 'no query came')
        self.assertEqual(member.ask('member', 's', 'add_source', GROUP, NEAR), 'ok')
        self.expect_mdb([GROUP])
        self.assertEqual(member.ask('member', 's', 'drop_source', GROUP, NEAR), 'ok')
        self.expect_mdb([])

    def queries(self):
        return sum(worker['igmp_queries_received'] for worker in self.daemons[1].status()['workers'])


if __name__ == '__main__':
    suite.main()
