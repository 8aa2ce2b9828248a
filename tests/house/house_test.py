#!/usr/bin/env python3
"""The order of the house, read from the sources: includes run only downwards, rooms know only what is below them,
files stay small, and no line says what it should not. docs/architecture.md has the picture."""
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
ROOMS = ("engine", "ipc", "client", "dataplane", "control", "embed", "apps", "bench", "tests")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
LINES_MAX = 500
COLUMNS_MAX = 120

# Room -> prefixes of what it may include with quotes. The first matching prefix of a file's path counts.
ALLOWED = [
    ("engine/", ("engine/",)),
    ("ipc/", ("ipc/", "engine/types.hpp", "engine/core/window_layout.hpp")),
    ("client/core/", ("client/core/", "ipc/", "engine/types.hpp", "engine/core/window_layout.hpp")),
    ("client/include/", ("fanfare/", "client/", "wsrm.h")),
    ("client/", ("client/", "ipc/", "fanfare/", "wsrm.h", "engine/types.hpp", "engine/core/window_layout.hpp")),
    ("dataplane/", ("dataplane/", "engine/", "ipc/")),
    ("control/", ("control/", "ipc/", "engine/core/profile.hpp", "engine/types.hpp", "engine/wire/names.hpp",
                  "engine/core/window_layout.hpp", "engine/core/source.hpp", "engine/core/receiver.hpp",
                  "engine/checksum/checksum.hpp", "engine/wire/packet.hpp", "dataplane/commands.hpp",
                  "dataplane/worker_config.hpp", "dataplane/port.hpp", "fanfare/",
                  "wsrm.h")),
    ("embed/", ("embed/", "dataplane/", "control/", "client/", "ipc/", "engine/", "fanfare/", "wsrm.h")),
    ("apps/", ("apps/", "embed/", "dataplane/", "control/", "client/", "ipc/", "engine/", "fanfare/", "wsrm.h")),
]
# Headers of the system that the pure engine must not see: no OS call, no clock, no atomics, no threads.
ENGINE_FORBIDDEN = re.compile(
    r"^(atomic|thread|mutex|condition_variable|future|chrono|iostream|fstream|cstdio|stdio\.h|ctime|time\.h|unistd\.h|"
    r"sys/.*|linux/.*|netinet/.*|arpa/.*|rte_.*|liburing.*|fmt/.*)$")
BANNED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|[Nn]ot implemented|[Uu]nimplemented")


def sources(root):
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".hpp", ".cpp", ".h", ".c"):
                yield path


def faults_of(name, text):
    """What is wrong with the file `name` (path from the root) whose content is `text`."""
    faults = []
    lines = text.split("\n")
    rule = next((allowed for prefix, allowed in ALLOWED if name.startswith(prefix)), None)
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        match = INCLUDE.match(line)
        if match:
            kind, target = match.groups()
            if kind == '"' and rule is not None and not target.startswith(rule):
                faults.append(f"{where}: {name.split('/')[0]} may not include {target}")
            if name.startswith("engine/") and kind == "<" and ENGINE_FORBIDDEN.match(target):
                faults.append(f"{where}: the engine is pure and may not include <{target}>")
            if target.startswith("rte_") and not name.startswith(("dataplane/dpdk/", "tests/dpdk/", "bench/")):
                faults.append(f"{where}: DPDK's headers belong to dataplane/dpdk alone")
            if target.startswith(("bench/", "tests/")) and not name.startswith(("bench/", "tests/")):
                faults.append(f"{where}: nothing includes bench or tests")
        if BANNED.search(line):
            faults.append(f"{where}: unfinished work: {line.strip()[:80]}")
        if "\t" in line:
            faults.append(f"{where}: tab")
        if len(line) > COLUMNS_MAX:
            faults.append(f"{where}: {len(line)} columns, at most {COLUMNS_MAX}")
    if len(lines) - 1 > LINES_MAX and not name.startswith("tests/"):
        faults.append(f"{name}: {len(lines) - 1} lines, at most {LINES_MAX}: a second noun is hiding in it")
    return faults


class House(unittest.TestCase):
    def test_every_source_keeps_the_order(self):
        faults = []
        count = 0
        for path in sources(ROOT):
            count += 1
            faults += faults_of(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
        self.assertGreater(count, 20, "no sources found: wrong root?")
        self.assertEqual(faults, [], "\n" + "\n".join(faults))

    def test_a_planted_fault_of_each_kind_is_found(self):
        planted = [
            ("engine/core/a.hpp", '#include "ipc/spsc_ring.hpp"'),
            ("engine/core/a.hpp", "#include <atomic>"),
            ("ipc/a.hpp", '#include "engine/core/source.hpp"'),
            ("client/core/a.hpp", '#include "dataplane/worker.hpp"'),
            ("control/a.cpp", '#include "dataplane/worker.hpp"'),
            ("dataplane/a.cpp", "#include <rte_mbuf.h>"),
            ("apps/a.cpp", '#include "tests/sim/network.hpp"'),
            ("engine/a.cpp", "// " + "TO" + "DO later"),
            ("engine/a.cpp", "x" * (COLUMNS_MAX + 1)),
            ("engine/a.cpp", "\tint x;"),
            ("engine/a.cpp", "int x;\n" * (LINES_MAX + 1)),
        ]
        for name, text in planted:
            self.assertNotEqual(faults_of(name, text), [], (name, text[:60]))
        self.assertEqual(faults_of("engine/core/a.hpp", '#include "engine/types.hpp"\n#include <cstdint>\n'), [])


if __name__ == "__main__":
    unittest.main()
