"""The processes of sandboxes, as /proc shows them, and what memory they need."""

import os


def processes_of(home):
    """Ids of the processes that were started for a home, or have a file below it open: supervisors and engines."""
    variable = b"SANDPIPER_HOME=" + os.fsencode(home)
    found = []
    for process in _all():
        try:
            with open(f"/proc/{process}/environ", "rb") as file:
                is_ours = variable in file.read().split(b"\0")
            if is_ours or any(path.startswith(home + "/") for path in _open_files(process)):
                found.append(process)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended, or is somebody else's
    return found


def supervisor_of(sandbox):
    """The id of the process that owns a sandbox; None when it has ended."""
    for process in _all():
        try:
            with open(f"/proc/{process}/cmdline", "rb") as file:
                program, *arguments = file.read().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if program.endswith(b"/sandpiper-supervisor") and os.fsencode(sandbox) in arguments:
            return process
    return None


def children_of(process):
    """Ids of the processes that a process started, all its threads, and that have not ended."""
    children = []
    for thread in os.listdir(f"/proc/{process}/task"):
        with open(f"/proc/{process}/task/{thread}/children") as file:
            children += [int(child) for child in file.read().split()]
    return children


def processor_seconds(process):
    """The processor time that a process has had, all its threads."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def proportional_memory(process):
    """Bytes of memory that a process has mapped; of what it shares with others, its share."""
    return _kilobytes(f"/proc/{process}/smaps_rollup", "Pss") * 1024


def private_memory(process):
    """Bytes of memory that a process has mapped and shares with no other."""
    rollup = f"/proc/{process}/smaps_rollup"
    return (_kilobytes(rollup, "Private_Dirty") + _kilobytes(rollup, "Private_Clean")) * 1024


def resident_memory(process):
    """Bytes of memory that a process has resident."""
    return _kilobytes(f"/proc/{process}/status", "VmRSS") * 1024


def available_memory():
    """Bytes of memory that the host could give to new programs."""
    return _kilobytes("/proc/meminfo", "MemAvailable") * 1024


def open_files_of_host():
    """How many open files the host's kernel holds."""
    with open("/proc/sys/fs/file-nr") as file:
        return int(file.read().split()[0])


def _all():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _open_files(process):
    for descriptor in os.listdir(f"/proc/{process}/fd"):
        try:
            yield os.readlink(f"/proc/{process}/fd/{descriptor}")
        except FileNotFoundError:
            continue  # closed meanwhile


def _kilobytes(path, name):
    with open(path) as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    raise OSError(f"{path} has no line '{name}'")
