"""The one harness of the benches: programs on wires, in turn, with the machine's facts beside every figure."""
