"""Notes which functions of a program are entered, once for each. For gdb, which runs it with the program's arguments:

    STARTS=FILE ENTERED=FILE gdb -nx -batch -x entered.py --args PROGRAM ARGUMENT...

STARTS has the addresses of functions, as the linker says them, in hexadecimal digits; those that are entered are appended
to ENTERED, each at its first call. A trap stands where each begins until then, so the program is slow at first only.
"""
import os

import gdb

TRAP = b"\xcc"

# To gdb, what is not printed does not stop.
for setting in "set pagination off", "set confirm off", "set auto-solib-add off", "handle SIGTRAP stop print nopass":
    gdb.execute(setting, to_string=True)
gdb.execute("starti", to_string=True)
process = gdb.selected_inferior()
with open(f"/proc/{process.pid}/maps", encoding="utf-8") as maps:
    program = os.readlink(f"/proc/{process.pid}/exe")
    base = min(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(program))
with open(os.environ["STARTS"], encoding="utf-8") as starts:
    planted = {base + int(line, 16) for line in starts}
before = {at: bytes(process.read_memory(at, 1)) for at in planted}
for at in planted:
    process.write_memory(at, TRAP)
with open(os.environ["ENTERED"], "a", buffering=1, encoding="utf-8") as entered:
    while True:
        gdb.execute("continue", to_string=True)
        if not process.pid:
            break
        at = gdb.newest_frame().pc() - 1
        if at not in planted:
            continue
        # Of several threads that ran into one, the first has taken the trap away.
        if at in before:
            process.write_memory(at, before.pop(at))
            entered.write(f"{at - base:x}\n")
        gdb.execute(f"set $pc = {at}", to_string=True)
