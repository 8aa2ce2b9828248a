"""One point of the matrix: what is carried over which wire, for how long."""
import dataclasses

WIRES = ('af_xdp', 'af_packet', 'memif', 'kernel')
MODES = ('message', 'packed', 'stream')


@dataclasses.dataclass(frozen=True)
class Scenario:
    wire: str = 'af_xdp'
    size: int = 1400            # octets of a message
    mode: str = 'message'
    loss: float = 0             # percent, where the receiving side takes frames from the port
    readers: int = 1            # programs that read one session on the receiving host
    sessions: int = 1
    workers: int = 1            # of each daemon
    seconds: float = 2
    window_mib: float = 64      # of Fanfare's windows, both sides
    rate_mbit: int = 0          # Fanfare's limit; 0: what the port takes
    udp: int = 0                # UDP encapsulation; 0: raw IP
    pace: float = 0             # messages a second; 0: as fast as they are taken
    batch: int = 1              # messages in a row when paced
    fec: str = ''               # parity sent unasked: data packets of a group, parity packets

    def but(self, **changes):
        return dataclasses.replace(self, **changes)

    def frame_octets(self):
        """Of a packet with one message, without its check sequence: Ethernet, IP, perhaps UDP, PGM."""
        return 14 + 20 + (8 if self.udp else 0) + 24 + self.size

    def text(self):
        parts = [self.wire, f'{self.size} bytes', self.mode]
        for name, usual in (('loss', 0), ('readers', 1), ('sessions', 1), ('workers', 1), ('pace', 0)):
            value = getattr(self, name)
            if value != usual:
                parts.append(f'{name} {value:g}')
        if self.fec:
            parts.append(f'parity {self.fec}')
        if self.udp:
            parts.append(f'UDP {self.udp}')
        return ', '.join(parts)
