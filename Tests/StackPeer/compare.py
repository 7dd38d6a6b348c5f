#!/usr/bin/env python3
"""Compares the stack with the kernel's own TCP: the same scripts of socket operations, once between the kernel and the
stack over a TAP device that loses, delays and doubles frames, once between two kernels over a good link. Must run as root
of a user and network namespace of its own:

    unshare -Urn compare.py STACK-PEER SEED [SCENARIO...]

Prints a line for each comparison; ends with 1 when some differ, with 77 when there is no TAP device."""
import errno, fcntl, os, socket, struct, subprocess, sys, threading, time

PATTERN = bytes((i * 31 + (i >> 8)) & 255 for i in range(65521))
STREAM = PATTERN * 300
PEER, GUEST = {4: "198.51.100.7", 6: "2001:db8::7"}, {4: "10.0.2.15", 6: "fd00::15"}
HANG = 60


class Side:
    """One end of a connection, a socket of the kernel, that follows a script."""

    def __init__(self, sock, script, cut=None, gives_up=False):
        self.sock, self.cut = sock, cut
        self.received, self.right, self.eof, self.end = 0, 1, 0, "closed"
        self.reader_done = threading.Event()
        sock.settimeout(HANG)
        if gives_up:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3000)
        steps = {"r": [], "w": []}
        for part in script.split(";"):
            steps[part[0]] = part[2:].split(",") if len(part) > 2 else []
        self.steps = steps

    def run(self):
        reader = threading.Thread(target=self.guard, args=(self.read,))
        reader.start()
        self.guard(self.write)
        reader.join()
        if self.sock.fileno() >= 0:
            self.sock.close()
        return self.outcome()

    def outcome(self):
        return f"received={self.received} right={self.right} eof={self.eof} end={self.end}"

    def guard(self, work):
        try:
            work()
        except (ConnectionResetError, BrokenPipeError):
            self.end = "reset"
        except TimeoutError as error:
            self.end = "timeout" if error.errno == errno.ETIMEDOUT else "hang"
        except OSError as error:
            if error.errno != errno.EBADF:
                self.end = errno.errorcode.get(error.errno, "?")
        finally:
            if work == self.read:
                self.reader_done.set()

    def take(self, limit):
        while limit > 0:
            data = self.sock.recv(min(limit, 1 << 18))
            if not data:
                # The error may have been told to the writer.
                self.eof = 1 if self.end == "closed" else 0
                return
            start = self.received % len(PATTERN)
            if data != STREAM[start:start + len(data)]:
                self.right = 0
            self.received += len(data)
            limit -= len(data)

    def read(self):
        for step in self.steps["r"]:
            word, _, number = step.partition(" ")
            if word == "recv":
                self.take(int(number))
            elif word == "recv-all":
                self.take(1 << 60)
            elif word == "pause":
                time.sleep(int(number) / 1000)

    def write(self):
        sent = 0
        for step in self.steps["w"]:
            word, _, number = step.partition(" ")
            if word == "send":
                start = sent % len(PATTERN)
                self.sock.sendall(STREAM[start:start + int(number)])
                sent += int(number)
            elif word == "pause":
                time.sleep(int(number) / 1000)
            elif word == "fin":
                self.sock.shutdown(socket.SHUT_WR)
            elif word == "await-recv":
                self.reader_done.wait(HANG)
            elif word == "reset":
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.sock.close()
            elif word == "cut":
                self.cut()


# name: (guest's script, peer's script, connections, who connects)
SCENARIOS = {
    "bulk to the peer": ("r:recv-all;w:send 3000000,fin", "r:recv-all;w:await-recv,fin"),
    "bulk to the guest": ("r:recv-all;w:await-recv,fin", "r:recv-all;w:send 3000000,fin"),
    "bulk both ways": ("r:recv-all;w:send 2000000,fin", "r:recv-all;w:send 2000000,fin"),
    "half close by the guest": ("r:recv-all;w:send 100000,fin", "r:recv-all;w:await-recv,send 200000,fin"),
    "half close by the peer": ("r:recv-all;w:await-recv,send 200000,fin", "r:recv-all;w:send 100000,fin"),
    "nothing said": ("r:recv-all;w:fin", "r:recv-all;w:fin"),
    "small messages": ("r:" + ",".join(["recv 10"] * 20 + ["recv-all"]) + ";w:" + ",".join(["send 7,pause 5"] * 20 + ["fin"]),
                       "r:" + ",".join(["recv 7"] * 20 + ["recv-all"]) + ";w:" + ",".join(["send 10,pause 5"] * 20 + ["fin"])),
    "simultaneous close": ("r:recv 1000,pause 400,recv-all;w:send 1000,pause 600,fin", "r:recv 1000,pause 400,recv-all;w:send 1000,pause 600,fin"),
    "reset by the guest": ("r:recv 1000;w:await-recv,pause 700,reset", "r:recv-all;w:send 1000"),
    "reset by the peer": ("r:recv-all;w:send 1000", "r:recv 1000;w:await-recv,pause 700,reset"),
    "reset by the guest, unread": ("r:;w:send 50000,pause 1500,reset", "r:pause 3000,recv-all;w:send 10"),
    "reset by the peer, unread": ("r:pause 3000,recv-all;w:send 10", "r:;w:send 50000,pause 1500,reset"),
    "reset by closing unread": ("r:;w:pause 1500", "r:recv-all;w:send 1000"),
    "stalled by the peer": ("r:recv-all;w:send 6000000,fin", "r:pause 2000,recv-all;w:await-recv,fin"),
    "stalled by the guest": ("r:pause 2000,recv-all;w:await-recv,fin", "r:recv-all;w:send 9000000,fin"),
    "stalled again and again": ("r:recv-all;w:send 4000000,fin",
                                "r:" + ",".join(["recv 300000,pause 100"] * 10) + ",recv-all;w:await-recv,fin"),
    "cut while the guest sends": ("r:recv 1000;w:await-recv,pause 2000,send 100000,pause 8000,send 10", "r:;w:send 1000,pause 1000,cut,pause 10000"),
    "cut while the peer sends": ("r:recv 1000;w:await-recv,pause 10000", "r:;w:send 1000,pause 1000,cut,send 100000,pause 9000,send 10"),
    "connections by the hundred": ("r:recv-all;w:send 20000,fin", "r:recv-all;w:send 20000,fin", 100),
    "refused by the peer": ("r:;w:", "refuse reset"),
    "begun by the peer": ("r:recv-all;w:send 500000,fin", "r:recv-all;w:send 500000,fin", 1, "peer"),
    "refused by the guest": ("", "r:;w:send 1", 1, "peer"),
}
LINKS = {"good": (0, 0, 0), "losing": (30, 0, 0), "late and doubling": (0, 60, 40), "bad": (40, 60, 40)}


def sh(*words):
    subprocess.run(words, check=True)


def set_up():
    """The TAP device, the guest's addresses on it, and a second namespace with a good link for the kernel as the peer."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"tap0", 0x1002))
    sh("ip", "link", "set", "lo", "up")
    sh("ip", "link", "set", "tap0", "address", "52:54:00:00:00:02", "mtu", "65520", "up")
    for version, length, router in ((4, "24", "10.0.2.2"), (6, "64", "fd00::2")):
        nodad = ["nodad"] if version == 6 else []
        sh("ip", "addr", "add", f"{GUEST[version]}/{length}", "dev", "tap0", *nodad)
        sh("ip", "route", "add", "default", "via", router)
    holder = subprocess.Popen(["unshare", "-n", "sleep", "3600"])
    while os.readlink(f"/proc/{holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.01)
    sh("ip", "link", "add", "good0", "type", "veth", "peer", "name", "good1", "netns", str(holder.pid))
    inside = ["nsenter", "-t", str(holder.pid), "-n"]
    sh("ip", "link", "set", "good0", "up")
    sh(*inside, "ip", "link", "set", "good1", "up")
    sh("ip", "addr", "add", "192.0.2.1/24", "dev", "good0")
    sh(*inside, "ip", "addr", "add", "192.0.2.2/24", "dev", "good1")
    return tap, holder, inside


def run_many(count, make):
    """Runs `count` ends at once and gives what came of them, in order of the text."""
    outcomes, threads = [], []
    for index in range(count):
        thread = threading.Thread(target=lambda index=index: outcomes.append(make(index)))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def guest_end(script, address, port, listener, gives_up):
    def make(_):
        try:
            if listener is None:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                sock = socket.socket(family, socket.SOCK_STREAM)
                sock.settimeout(HANG)
                sock.connect((address, port))
            else:
                listener.settimeout(HANG)
                sock = listener.accept()[0]
        except ConnectionRefusedError:
            return "refused"
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))
        return Side(sock, script, gives_up=gives_up).run()
    return make


def listen(address):
    listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET, backlog=512)
    return listener, listener.getsockname()[1]


def against(peer_command, scenario, address, own_address, fds=()):
    """Runs a scenario against a peer in a process of its own: what came of the guest's ends, and of the peer's."""
    guest, _, count, who = (SCENARIOS[scenario] + (1, "guest")[len(SCENARIOS[scenario]) - 2:])[:4]
    listener = None
    if who == "peer":
        listener, port = listen(own_address)
        if not guest:
            listener.close()
        arguments = ["connect", own_address, str(port)]
    else:
        arguments = ["listen", str(count)]
    # Without a buffer, which would keep lines from `communicate`.
    peer = subprocess.Popen(
        [*peer_command, *arguments, SCENARIOS[scenario][1]], stdout=subprocess.PIPE, bufsize=0, pass_fds=fds)
    first = peer.stdout.readline().split()
    port = int(first[1]) if len(first) > 1 else 7
    guests = run_many(count, guest_end(guest, address, port, listener, "cut" in scenario)) if guest else []
    try:
        output = peer.communicate(timeout=HANG)[0].decode()
    except subprocess.TimeoutExpired:
        peer.kill()
        output = peer.communicate()[0].decode() + "hang"
    return guests, sorted(output.splitlines())


def against_kernel(inside, scenario):
    """Runs a scenario against the kernel in the other namespace, over a link that is whole."""
    sh(*inside, "ip", "addr", "replace", "192.0.2.2/24", "dev", "good1")
    # What a cut link has not answered, neighbours that were asked for in vain among it, is forgotten.
    sh("ip", "neigh", "flush", "all")
    return against([*inside, sys.executable, __file__, "--kernel"], scenario, "192.0.2.2", "192.0.2.1")


def kernel_peer(arguments):
    """The other end when it is the kernel: the same words as those of stack-peer."""
    mode, script = arguments[0], arguments[-1]

    def cut():
        sh("ip", "addr", "del", "192.0.2.2/24", "dev", "good1")

    if mode == "listen":
        count = int(arguments[1])
        listener, port = listen("192.0.2.2")
        if script.startswith("refuse"):
            listener.close()
            print("ready", port, flush=True)
            return
        print("ready", port, flush=True)
        print("\n".join(run_many(count, lambda _: Side(listener.accept()[0], script, cut, "cut" in script).run())))
    else:
        print("ready", flush=True)
        try:
            sock = socket.create_connection((arguments[1], int(arguments[2])), timeout=HANG)
        except ConnectionRefusedError:
            print("received=0 right=1 eof=0 end=refused")
            return
        print(Side(sock, script, cut, "cut" in script).run())


def main():
    if sys.argv[1] == "--kernel":
        return kernel_peer(sys.argv[2:])
    stack_peer, seed, wanted = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    if not os.path.exists("/dev/net/tun"):
        print("there is no /dev/net/tun")
        return 77
    tap, holder, inside = set_up()
    differences = 0
    try:
        for scenario in wanted or SCENARIOS:
            reference = against_kernel(inside, scenario)
            for link, conditions in LINKS.items():
                # How far a cut link had carried things is told only where it lost nothing before.
                if "cut" in scenario and link != "good":
                    continue
                version = 6 if (seed + len(scenario) + len(link)) % 3 == 0 else 4
                # Short frames are many, so that much happens to them.
                sh("ip", "link", "set", "tap0", "mtu", "65520" if link == "good" else "1500")
                command = [stack_peer, str(tap), str(seed), *map(str, conditions)]
                begun = time.monotonic()
                # The ends of connections hang on time-outs, which a busy machine may miss: a difference is seen twice.
                for attempt in range(2):
                    if attempt:
                        reference = against_kernel(inside, scenario)
                    result = against(command, scenario, PEER[version], GUEST[version], fds=(tap,))
                    same = result == reference and "hang" not in str(result)
                    if same:
                        break
                print(f"{'same' if same else 'DIFFERENT'}: {scenario}, {link} link, IPv{version}, {time.monotonic() - begun:.1f} s", flush=True)
                if not same:
                    differences += 1
                    for who, ours, theirs in zip(("guest", "peer"), result, reference):
                        print(f"  {who}, with the stack: {ours[:4]}\n  {who}, with a kernel: {theirs[:4]}", flush=True)
    finally:
        holder.kill()
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
