"""A datagram socket that a forked child and an exec'd program hold too, under `fanfare run --datagram`: one socket, one
position, memberships that outlive the process that joined."""

import os
import socket
import subprocess
import sys

GROUP, PORT = '239.4.9.9', 7790

TAKE_ONE = ('import socket, sys\n'
            's = socket.socket(fileno=int(sys.argv[1]))\n'
            'assert s.type == socket.SOCK_DGRAM and s.getsockname()[1] == int(sys.argv[2])\n'
            's.settimeout(20)\n'
            'print(s.recvfrom(100)[0].decode())\n'
            's.sendto(b"from exec", (sys.argv[3], int(sys.argv[2])))\n')


def main():
    member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    member.bind((GROUP, PORT))
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                      socket.inet_aton(GROUP) + socket.inet_aton('10.9.0.1'))
    member.settimeout(20)

    def say(*texts):
        for text in texts:
            member.sendto(text.encode(), (GROUP, PORT))

    say('one', 'two', 'three', 'four')
    assert member.recvfrom(100)[0] == b'one'
    child = os.fork()
    if child == 0:
        good = member.recvfrom(100)[0] == b'two'  # where its parent stood
        say('from fork')
        member.close()
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert member.recvfrom(100)[0] == b'three'  # where the child left it
    os.set_inheritable(member.fileno(), True)
    done = subprocess.run([sys.executable, '-c', TAKE_ONE, str(member.fileno()), str(PORT), GROUP], close_fds=False,
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, 'four\n'), done.stderr
    # Both holders are gone; the socket is still a member.
    assert member.recvfrom(100)[0] == b'from fork'
    assert member.recvfrom(100)[0] == b'from exec'
    member.close()


main()
