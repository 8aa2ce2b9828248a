"""Hosts with several interfaces: the rules MH-1 to MH-31 of wsrm.md section 6 (checks 135 to 165) by real socket calls,
with interfaces that go down, disappear and come back."""

import pathlib
import types

from harness import packets, suite
from harness.asked import AskedProgram
from harness.daemon import Daemon, numbers
from harness.process import wait_until

PROGRAM = pathlib.Path(__file__).resolve().parent / 'rm_program.py'
GROUP, PORT = '239.77.5.5', 7500
ONE, TWO = '10.77.0.1', '10.78.0.1'  # the host under test, on the first network and on the second
FOREIGN = '10.99.0.1'
N = 'EADDRNOTAVAIL'


class Program(AskedProgram):
    """rm_program.py at a daemon; ask() is one command and its answer."""

    def __init__(self, daemon):
        super().__init__(daemon, PROGRAM)


class Multihomed(suite.HostTest):
    """`here` with eth0 at the first network and eth1 at the second, a peer at each."""

    kind = 'af_packet'

    def setUp(self):
        super().setUp()
        self.networks = [self.make_network(), self.make_network()]
        self.here = self.networks[0].host('here', f'{ONE}/24')
        self.second = self.here.plug(f'{TWO}/24', 'eth1', network=self.second_network())
        self.daemon = Daemon(self, self.here, kind=self.kind)
        self.program = self.keep(Program(self.daemon))

    def second_network(self):
        return self.networks[1]

    @property
    def first(self):
        return self.here.cable

    def peer(self, number):
        """A program at the peer of network `number`, 0 or 1."""
        host = self.networks[number].host(f'peer{number}', f'10.{77 + number}.0.2/24')
        daemon = Daemon(self, host, kind='af_packet')
        program = self.keep(Program(daemon))
        program.daemon, program.host = daemon, host
        return program

    def ok(self, *words, on=None):
        self.assertEqual((on or self.program).ask(*words), 'ok', words)

    def interface(self, number):
        return self.daemon.status()['interfaces'][number]

    def await_link(self, number, up):
        self.assertTrue(wait_until(lambda: (self.interface(number)['link'] == 'up') == up, 10), self.interface(number))

    def listener(self, *addresses, name='l', on=None, group=GROUP):
        self.ok('open', name, on=on)
        self.ok('bind', name, group, PORT, on=on)
        for address in addresses:
            self.ok('set', name, 'add_receive_if', address, on=on)
        self.ok('listen', name, on=on)

    def sender(self, address=None, name='s', on=None, group=GROUP):
        self.ok('open', name, on=on)
        if address:
            self.ok('set', name, 'send_if', address, on=on)
        self.ok('connect', name, group, PORT, on=on)

    def session(self, number, *addresses, name='r', group=GROUP):
        """A session from the peer of network `number` to a reader here; returns the peer."""
        peer = self.peer(number)
        self.listener(*addresses, name=f'l{name}', group=group)
        self.sender(on=peer, group=group)
        self.ok('send', 's', 'first', on=peer)
        self.assertEqual(self.program.ask('accept', f'l{name}', name, 10)[0], peer.host.address)
        self.assertEqual(self.program.ask('receive', name, 10), 'first')
        return peer

    def heard(self, peer, text, name='r', seconds=5):
        """Whether what the peer sends now comes in."""
        self.ok('send', 's', text, on=peer)
        return self.program.ask('receive', name, seconds) == text


class Senders(Multihomed):
    def test_mh01_the_first_available_interface_is_chosen(self):
        """MH-1, MH-7: without RM_SET_SEND_IF, or with none that succeeded."""
        self.ok('open', 'a')
        self.assertEqual(self.program.ask('set', 'a', 'send_if', FOREIGN), N)
        self.ok('connect', 'a', GROUP, PORT)
        self.assertEqual(self.program.ask('get', 'a', 'send_if'), ONE)
        self.first.down()
        self.await_link(0, False)
        self.ok('open', 'b')
        self.ok('connect', 'b', GROUP, PORT)
        self.assertEqual(self.program.ask('get', 'b', 'send_if'), TWO)

    def test_mh02_without_an_interface_connect_fails_and_may_be_tried_again(self):
        """MH-2; and a chosen interface that is down is ENETDOWN."""
        self.first.down()
        self.second.down()
        self.await_link(0, False)
        self.await_link(1, False)
        self.ok('open', 's')
        self.assertEqual(self.program.ask('connect', 's', GROUP, PORT), 'ENETUNREACH')
        self.ok('set', 's', 'send_if', TWO)
        self.assertEqual(self.program.ask('connect', 's', GROUP, PORT), 'ENETDOWN')
        self.second.up()
        self.await_link(1, True)
        self.ok('connect', 's', GROUP, PORT)

    def test_mh03_to_mh08_the_last_successful_choice_counts(self):
        """MH-3, MH-4, MH-5, MH-6, MH-8: set at once, refused for foreign addresses, taken back by 0.0.0.0. MH-7."""
        program = self.program
        self.ok('open', 's')
        self.assertEqual(program.ask('set', 's', 'send_if', FOREIGN), N)
        self.assertEqual(program.ask('get', 's', 'send_if'), '0.0.0.0')
        self.ok('set', 's', 'send_if', ONE)
        self.ok('set', 's', 'send_if', TWO)
        self.assertEqual(program.ask('get', 's', 'send_if'), TWO)
        self.assertEqual(program.ask('set', 's', 'send_if', FOREIGN), N)
        self.assertEqual(program.ask('get', 's', 'send_if'), TWO)
        self.ok('set', 's', 'send_if', '0.0.0.0')
        self.ok('connect', 's', GROUP, PORT)
        self.assertEqual(program.ask('get', 's', 'send_if'), ONE)

    def test_mh05_data_leaves_by_the_chosen_interface_alone(self):
        """MH-3, MH-5, MH-9: the peer there hears it, the other one does not."""
        peers = [self.peer(0), self.peer(1)]
        for peer in peers:
            self.listener(on=peer)
        self.sender(TWO)
        self.ok('send', 's', 'there')
        self.assertEqual(peers[1].ask('accept', 'l', 'r', 10)[0], TWO)
        self.assertEqual(peers[1].ask('receive', 'r', 10), 'there')
        self.assertEqual(peers[0].ask('accept', 'l', 'r', 0.5), 'nothing')
        # MH-9: another interface's state is nothing to it.
        self.first.down()
        self.await_link(0, False)
        self.ok('send', 's', 'still')
        self.assertEqual(peers[1].ask('receive', 'r', 10), 'still')

    def test_mh29_interface_options_sit_before_connect(self):
        """MH-29, O-5: EISCONN on a connected sender; add and delete go on working on a listener."""
        self.sender()
        self.assertEqual(self.program.ask('set', 's', 'send_if', TWO), 'EISCONN')
        self.listener()
        self.assertEqual(self.program.ask('set', 'l', 'send_if', TWO), 'ENOPROTOOPT')
        self.ok('set', 'l', 'add_receive_if', TWO)
        self.ok('set', 'l', 'del_receive_if', TWO)


class Listeners(Multihomed):
    def sending_peers(self):
        peers = [self.peer(0), self.peer(1)]
        for peer in peers:
            self.sender(on=peer)
            self.ok('send', 's', 'hello', on=peer)
        return peers

    def accepted(self, peers, seconds=1.5):
        """Which of the peers' sessions are accepted now; everybody says something that opens them."""
        for peer in peers:
            self.ok('send', 's', 'hello', on=peer)
        found = set()
        while (got := self.program.ask('accept', 'l', 'r', seconds)) != 'nothing':
            found.add(got[0])
            self.ok('close', 'r')
        return found

    def test_mh13_the_default_is_the_first_interface(self):
        """MH-13: of two that could be heard."""
        self.listener()
        peers = self.sending_peers()
        self.assertEqual(self.accepted(peers), {'10.77.0.2'})

    def test_mh14_without_an_interface_bind_and_listen_fail(self):
        """MH-14: EADDRNOTAVAIL at bind; at listen where it vanished between the two."""
        self.ok('open', 'l')
        self.ok('bind', 'l', GROUP, PORT)
        self.first.down()
        self.second.down()
        self.await_link(0, False)
        self.await_link(1, False)
        self.assertEqual(self.program.ask('listen', 'l'), N)
        self.ok('open', 'm')
        self.assertEqual(self.program.ask('bind', 'm', GROUP, PORT), N)

    def test_mh15_the_first_added_interface_replaces_the_default(self):
        """MH-15: also on a socket that listens already."""
        self.listener()
        self.ok('set', 'l', 'add_receive_if', TWO)
        peers = self.sending_peers()
        self.assertEqual(self.accepted(peers), {'10.78.0.2'})

    def test_mh16_mh17_further_ones_add_up_and_all_listen_at_once(self):
        """MH-16, MH-17; MH-20: adding twice is adding once; MH-18: that is what INADDR_ANY would be."""
        self.listener(ONE, TWO, TWO)
        peers = self.sending_peers()
        self.assertEqual(self.accepted(peers), {'10.77.0.2', '10.78.0.2'})
        self.ok('set', 'l', 'del_receive_if', TWO)
        self.assertEqual(self.program.ask('set', 'l', 'del_receive_if', TWO), N)

    def test_mh18_mh19_a_refused_one_changes_nothing(self):
        """MH-18: 0.0.0.0 is EADDRNOTAVAIL; MH-19: as is what is not here, and who listened still does."""
        self.listener()
        for address in ('0.0.0.0', FOREIGN):
            self.assertEqual(self.program.ask('set', 'l', 'add_receive_if', address), N)
        peers = self.sending_peers()
        self.assertEqual(self.accepted(peers), {'10.77.0.2'})

    def test_mh21_mh22_mh23_deleted_ones_are_not_heard_and_no_default_comes_back(self):
        """MH-21, MH-22: only what was added can be deleted, the default not; MH-23: then nothing is accepted."""
        self.listener()
        for address in (ONE, TWO, FOREIGN):
            self.assertEqual(self.program.ask('set', 'l', 'del_receive_if', address), N)
        self.ok('set', 'l', 'add_receive_if', TWO)
        self.ok('set', 'l', 'add_receive_if', ONE)
        self.ok('set', 'l', 'del_receive_if', ONE)
        peers = self.sending_peers()
        self.assertEqual(self.accepted(peers), {'10.78.0.2'})
        self.ok('set', 'l', 'del_receive_if', TWO)
        self.ok('close', 's', on=peers[1])
        self.sender(on=peers[1])
        self.assertEqual(self.accepted(peers), set())
        self.assertEqual(self.groups(), {0: False, 1: False})

    def test_mh24_deleting_an_interface_spares_accepted_sessions(self):
        """MH-24; and MH-30: the live session keeps the group on its interface."""
        peer = self.session(1, TWO)
        self.ok('set', 'lr', 'del_receive_if', TWO)
        self.assertTrue(self.heard(peer, 'on'))
        self.assertEqual(self.groups(), {0: False, 1: True})

    def groups(self):
        """Whether the kernel lets the group's frames in, by interface: what the daemon holds there."""
        mac = ':'.join(f'{octet:02x}' for octet in packets.multicast_mac(GROUP))
        return {number: mac in self.here.namespace.ip('maddress', 'show', 'dev', cable.device)
                for number, cable in enumerate(self.here.cables)}

    def test_mh30_the_group_is_joined_exactly_where_it_is_wanted(self):
        """MH-30: on the interfaces of the listen set and of live sessions, and nowhere after the end of both."""
        def expect(**want):
            want = {int(key[-1]): value for key, value in want.items()}
            self.assertTrue(wait_until(lambda: self.groups() == want, 5), (want, self.groups()))

        expect(eth0=False, eth1=False)
        self.listener()
        expect(eth0=True, eth1=False)
        self.ok('set', 'l', 'add_receive_if', TWO)
        expect(eth0=False, eth1=True)
        self.ok('set', 'l', 'add_receive_if', ONE)
        expect(eth0=True, eth1=True)
        peer = self.peer(1)
        self.sender(on=peer)
        self.ok('send', 's', 'x', on=peer)
        self.assertEqual(self.program.ask('accept', 'l', 'r', 10)[0], '10.78.0.2')
        self.ok('close', 'l')
        expect(eth0=False, eth1=True)
        # The session's end is the group's, though its reader has not closed.
        self.ok('close', 's', on=peer)
        expect(eth0=False, eth1=False)
        self.assertEqual(self.program.ask('drain', 'r', 5), [1, 'ESHUTDOWN'])


class Events(Multihomed):
    """What going down and disappearing do; the same for AF_XDP below."""

    def vanish(self, cable, how):
        if how == 'down':
            cable.down()
        else:
            cable.remove()

    def both(self, name):
        for how in ('down', 'removed'):
            with self.subTest(how=how):
                getattr(self, name)(how)
                self.doCleanups()
                self.setUp()

    def test_mh10_the_senders_interface_goes(self):
        """MH-10, MH-11, MH-12: a blocked send wakes with ECONNRESET, later ones fail the same, poll says error; the
        interface's return revives nothing; a sender on another interface is not touched."""
        self.both('sender_loses')

    def sender_loses(self, how):
        for name, address in (('lost', TWO), ('spared', ONE)):
            self.ok('open', name)
            self.ok('window', name, 400, 2000)
            self.ok('set', name, 'send_if', address)
            self.ok('connect', name, GROUP, PORT)
        self.ok('flood', 'lost')
        self.assertEqual(self.program.ask('flooded', 'lost', 1), 'still sending')
        self.vanish(self.second, how)
        self.assertEqual(self.program.ask('flooded', 'lost', 10), 'ECONNRESET')
        self.assertEqual(self.program.ask('send', 'lost', 'x'), 'ECONNRESET')
        self.assertEqual(self.program.ask('events', 'lost', 1), ['error', 'hang-up'])
        self.ok('send', 'spared', 'x')
        if how == 'down':
            self.second.up()
            self.await_link(1, True)
            self.assertEqual(self.program.ask('send', 'lost', 'x'), 'ECONNRESET')
            self.sender(TWO, name='new')
            self.ok('send', 'new', 'x')
        self.assertTrue(self.daemon.running())

    def test_mh26_mh27_the_receivers_interface_goes(self):
        """MH-26, MH-27: recv gives what was in order, then ECONNRESET; MH-12's like: a session on the other interface
        goes on, and the listener is not hurt (MH-25)."""
        self.both('receiver_loses')

    def receiver_loses(self, how):
        lost = self.session(1, TWO)
        spared = self.session(0, ONE, name='q', group='239.77.5.6')
        self.ok('send', 's', *['waits'] * 20, on=lost)
        self.assertTrue(wait_until(lambda: numbers(self.daemon.status(), 'odata_received') >= 22, 5),
                        self.daemon.status())
        self.vanish(self.second, how)
        self.await_link(1, False)
        self.assertEqual(self.program.ask('drain', 'r', 10), [20, 'ECONNRESET'])
        self.assertEqual(self.program.ask('receive', 'r', 1), 'ECONNRESET')
        self.assertEqual(self.program.ask('accept', 'lr', 'x', 0.3), 'nothing')
        self.assertTrue(self.heard(spared, 'fine', name='q'))
        self.assertTrue(self.daemon.running())

    def test_mh25_listening_resumes_when_the_interface_comes_back(self):
        """MH-25: down and up, and removed and made anew (hot plug)."""
        self.both('listener_waits')

    def listener_waits(self, how):
        peer = self.peer(1)
        self.listener(TWO)
        self.vanish(self.second, how)
        self.await_link(1, False)
        self.assertEqual(self.program.ask('accept', 'l', 'r', 0.3), 'nothing')
        self.restore(how)
        self.sender(on=peer)
        self.ok('send', 's', 'back', on=peer)
        self.assertEqual(self.program.ask('accept', 'l', 'r', 10)[0], '10.78.0.2')
        self.assertEqual(self.program.ask('receive', 'r', 10), 'back')
        # And the other way, over what came back.
        self.listener(name='k', on=peer, group='239.77.5.7')
        self.sender(TWO, name='t', group='239.77.5.7')
        self.ok('send', 't', 'too')
        self.assertEqual(peer.ask('accept', 'k', 'r', 10)[0], TWO)
        self.assertEqual(peer.ask('receive', 'r', 10), 'too')

    def restore(self, how):
        if how == 'down':
            self.second.up()
        else:
            self.second = self.here.plug(f'{TWO}/24', 'eth1', network=self.networks[1])
        self.await_link(1, True)


class EventsOfAfXdp(Events):
    kind = 'af_xdp'


class Missing(Multihomed):
    """The daemon is there before its second interface."""

    lcores = '0'

    def setUp(self):
        suite.HostTest.setUp(self)
        self.networks = [self.make_network(), self.make_network()]
        self.here = self.networks[0].host('here', f'{ONE}/24')
        late = types.SimpleNamespace(device='eth1', address=f'{TWO}/24')
        self.daemon = Daemon(self, self.here, kind=self.kind, lcores=self.lcores, cables=[self.here.cable, late])
        self.program = self.keep(Program(self.daemon))

    def test_an_interface_that_comes_after_the_daemon_is_taken_into_use(self):
        """MH-2, MH-12 and MH-25 hold for one that was never there; a misspelt name is easy to see."""
        said = [line for line in self.daemon.process.text().splitlines() if 'eth1' in line]
        self.assertIn('there is no kernel interface "eth1" here ("ip link" lists them)', said[0])
        self.assertIn('mend it in the configuration', said[0])
        self.assertIn(', missing)', said[-1])
        self.assertEqual(self.interface(1)['link'], 'missing')
        self.ok('open', 'early')
        self.ok('set', 'early', 'send_if', TWO)
        self.assertEqual(self.program.ask('connect', 'early', GROUP, PORT), 'ENETDOWN')
        spared = self.session(0, ONE, name='q', group='239.77.5.6')
        self.listener(TWO)
        peer = self.peer(1)
        self.second = self.here.plug(f'{TWO}/24', 'eth1', network=self.networks[1])
        self.await_link(1, True)
        self.sender(on=peer)
        for number in range(100):
            self.ok('send', 's', f'm{number}', on=peer)
        self.assertEqual(self.program.ask('accept', 'l', 'r', 10)[0], '10.78.0.2')
        for number in range(100):
            self.assertEqual(self.program.ask('receive', 'r', 10), f'm{number}')
        self.ok('connect', 'early', GROUP, PORT)
        self.listener(name='k', on=peer, group='239.77.5.7')
        self.sender(TWO, name='t', group='239.77.5.7')
        self.ok('send', 't', 'too')
        self.assertEqual(peer.ask('accept', 'k', 'r', 10)[0], TWO)
        self.assertEqual(peer.ask('receive', 'r', 10), 'too')
        self.assertTrue(self.heard(spared, 'fine', name='q'))
        # From now on it is as any other: it may go and come again.
        self.second.remove()
        self.assertTrue(wait_until(lambda: self.interface(1)['link'] == 'gone', 10), self.interface(1))
        self.assertEqual(self.program.ask('drain', 'r', 10), [0, 'ECONNRESET'])
        self.ok('close', 'r')
        self.second = self.here.plug(f'{TWO}/24', 'eth1', network=self.networks[1])
        self.await_link(1, True)

        def accepted():
            self.ok('send', 's', 'again', on=peer)
            return self.program.ask('accept', 'l', 'r', 0.5)[0] == '10.78.0.2'
        self.assertTrue(wait_until(accepted, 10))
        self.assertTrue(self.heard(spared, 'still', name='q'))
        self.assertTrue(self.daemon.running())


class MissingWithTwoWorkers(Missing):
    lcores = '0,1'


class MissingOfAfXdp(Missing):
    kind = 'af_xdp'


class TwoInterfacesAtOneNetwork(Multihomed):
    """Both interfaces of `here` hear whatever is sent."""

    def second_network(self):
        return self.networks[0]

    def test_mh28_a_session_on_two_interfaces_is_one(self):
        """MH-28: one accept, one copy of everything, and no NAK for what came in twice."""
        peer = self.session(0, ONE, TWO)
        for number in range(50):
            self.ok('send', 's', f'm{number}', on=peer)
        for number in range(50):
            self.assertEqual(self.program.ask('receive', 'r', 10), f'm{number}')
        self.assertEqual(self.program.ask('receive', 'r', 0.3), 'nothing')
        self.assertEqual(self.program.ask('accept', 'lr', 'again', 0.3), 'nothing')

    def test_mh28_after_its_interface_has_gone_it_is_accepted_on_the_other(self):
        """MH-27, MH-28: the session is tied to one interface; when that goes it ends, and the stream opens a new one by
        the other interface once the old one was closed."""
        peer = self.session(0, ONE, TWO)
        self.first.down()
        self.await_link(0, False)
        self.assertEqual(self.program.ask('drain', 'r', 10), [0, 'ECONNRESET'])
        self.ok('close', 'r')

        # What comes before the daemon has let go of the old session is nobody's, as before any other join.
        def accepted():
            self.ok('send', 's', 'again', on=peer)
            return self.program.ask('accept', 'lr', 'r', 0.5)[0] == '10.77.0.2'
        self.assertTrue(wait_until(accepted, 10))
        # From its first number, while the sender says it, or from where it was heard again.
        self.assertTrue(wait_until(lambda: self.program.ask('receive', 'r', 1) == 'again', 10))


class Naks(Multihomed):
    def test_mh31_naks_leave_by_the_sessions_interface_for_the_path_address(self):
        """MH-31: to the last PGM hop that SPMs name, not to the source."""
        gsi, sport, hop = b'\xaa\xbb\xcc\x01\x02\x03', 4711, '10.78.0.77'
        seen = packets.Listener(self.networks[1].middle, self.second.port)
        self.addCleanup(seen.close)
        thrower = packets.Thrower(self.networks[1].middle, 'bridge')
        self.addCleanup(thrower.close)

        def throw(tpdu):
            thrower.throw(packets.ethernet(packets.multicast_mac(GROUP),
                                           packets.ipv4('10.78.0.66', GROUP, tpdu), source=b'\x02\0\0\0\0\x66'))

        self.listener(TWO)
        throw(packets.spm(gsi, sport, PORT, 1, 1, 0, hop))
        throw(packets.odata(gsi, sport, PORT, 1, 1, b'one'))
        throw(packets.odata(gsi, sport, PORT, 3, 1, b'three'))
        # Who has the path's address is asked for by ARP on that network: the NAK follows the answer.
        self.assertTrue(wait_until(lambda: seen.arp_asked(hop), 5), 'nobody asked for the path address')
        thrower.throw(packets.arp_reply(hop, b'\x02\0\0\0\0\x77', TWO))
        self.assertTrue(wait_until(lambda: seen.pgm_to(hop, packets.NAK), 5), 'no NAK for the path address')
        self.assertFalse(seen.pgm_to('10.78.0.66', packets.NAK), 'a NAK went to the source itself')


if __name__ == '__main__':
    suite.main()
