"""What the kernel says of the process that serves this mount: wall.py MOUNTED"""
import os, sys

pump = os.getppid()
children = [int(pid) for pid in open(f"/proc/{pump}/task/{pump}/children").read().split()]
server, = [pid for pid in children if pid != os.getpid() and "sandpiper-mount" in open(f"/proc/{pid}/comm").read()]
status = dict(line.split(":\t", 1) for line in open(f"/proc/{server}/status").read().split("\n") if ":\t" in line)
assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
assert int(status["CapEff"], 16) & ~0xf == 0, status
# An ordinary user cannot take anything from what it could never get.
assert status["Uid"].split()[1] != "0" or int(status["CapBnd"], 16) & ~0xf == 0, status
assert int(status["CapPrm"], 16) & ~0xf == 0 and int(status["CapInh"], 16) == 0 and int(status["CapAmb"], 16) == 0, status
limits = open(f"/proc/{server}/limits").read()
for line in limits.split("\n"):
    if line.startswith("Max core file size"):
        assert line.split()[4:6] == ["1", "1"], line
    if line.startswith("Max locked memory"):
        assert line.split()[3:5] == ["0", "0"], line
    if line.startswith("Max open files"):
        assert int(line.split()[3]) <= 32768, line
assert int(status["Threads"]) == 1, status["Threads"]
