"""Real hosts in one machine: network namespaces joined by a bridge in a namespace of its own.

network.py    namespaces, veth pairs, the bridge and what it loses
process.py    programs with captured error text, ended by their id
daemon.py     a running fanfared and the fanfare tool against it
packets.py    PGM packets made by hand, and sockets to throw them with
suite.py      the test case class, sizes and time limits, and the reasons to skip
"""
