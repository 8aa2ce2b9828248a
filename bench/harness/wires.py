"""The wires: where each side's namespace is, how Fanfare and DPDK's programs call its end, and loss for kernel sockets.
Side 0 sends, side 1 receives."""
import contextlib
import os

from harness.programs import namespaces, run

ADDRESSES = ('10.78.0.1', '10.78.0.2')
_count = 0


def _tag():
    """A name of this wire's own."""
    global _count
    _count += 1
    return f'ffb{os.getpid()}n{_count}'


class Veth:
    """Two namespaces joined by a veth pair; the kernel holds the addresses, which AF_XDP does not disturb."""
    kernel = True

    def __init__(self, device):
        self.device = device
        self.kind = device
        tag = _tag()
        self.names = [f'{tag}a', f'{tag}b']
        self.interfaces = ['v0', 'v1']
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        a, b = self.names
        self.stack.enter_context(namespaces(self.names))
        with contextlib.ExitStack() as undo:
            undo.callback(self.stack.close)
            run('ip', '-n', a, 'link', 'add', 'name', 'v0', 'numrxqueues', '1', 'numtxqueues', '1', 'type', 'veth',
                'peer', 'name', 'v1', 'numrxqueues', '1', 'numtxqueues', '1', 'netns', b)
            for name, interface, address in zip(self.names, self.interfaces, ADDRESSES):
                run('ip', '-n', name, 'link', 'set', interface, 'up')
                run('ip', '-n', name, 'address', 'add', f'{address}/24', 'dev', interface)
                run('ip', '-n', name, 'route', 'add', '224.0.0.0/4', 'dev', interface)
                # An AF_XDP port gets frames as they are: nothing may be left for a card to finish. Kernel sockets hand
                # bursts over whole, as long as they may leave checksums.
                if self.device != 'kernel':
                    run('ip', 'netns', 'exec', name, 'ethtool', '-K', interface, 'tx', 'off', check=False)
            undo.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def _driver(self, side):
        return f'net_{self.device}0,iface={self.interfaces[side]}'

    def fanfare(self, side):
        if self.device == 'kernel':  # a port on kernel sockets, UDP encapsulation only
            return f'feed,{ADDRESSES[side]}/24,kernel,iface={self.interfaces[side]}'
        return f'feed,{ADDRESSES[side]}/24,{self._driver(side)}'

    def vdev(self, side):
        if self.device == 'af_xdp':
            return f'{self._driver(side)},busy_budget=0'
        return f'{self._driver(side)},blocksz=65536,framesz=2048,framecnt=8192'

    @contextlib.contextmanager
    def loss(self, percent):
        """Drops arriving packets before the receiving side's kernel sockets."""
        if percent == 0:
            yield
            return
        inside = ('ip', 'netns', 'exec', self.names[1], 'nft')
        run(*inside, 'add', 'table', 'ip', 'bench')
        try:
            run(*inside, 'add', 'chain', 'ip', 'bench', 'in',
                '{ type filter hook prerouting priority 0 ; policy accept ; }')
            run(*inside, 'add', 'rule', 'ip', 'bench', 'in', 'ip', 'daddr', '224.0.0.0/4', 'ip', 'protocol', '!=',
                'igmp', 'numgen', 'random', 'mod', '10000', '<', str(round(percent * 100)), 'drop')
            yield
        finally:
            run(*inside, 'delete', 'table', 'ip', 'bench', check=False)


class Memif:
    """One namespace; the two ends share memory through an abstract socket there."""
    kernel = False
    kind = 'memif'

    def __init__(self):
        self.tag = _tag()
        self.names = [self.tag, self.tag]
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        self.stack.enter_context(namespaces([self.tag]))
        return self

    def __exit__(self, *_):
        self.stack.close()

    def _driver(self, side):
        role = 'client' if side == 0 else 'server'
        return f'net_memif0,role={role},id=0,rsize=12,socket={self.tag}'

    def fanfare(self, side):
        return f'feed,{ADDRESSES[side]}/24,{self._driver(side)}'

    def vdev(self, side):
        return self._driver(side)


def wire(kind):
    """af_xdp, af_packet and kernel are a veth pair, memif is shared memory."""
    return Memif() if kind == 'memif' else Veth(kind)
