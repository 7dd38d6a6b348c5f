"""A server whose parent is killed ends, though its stream stays open; but not with a thread of its parent: orphan.py SERVER SERVED"""
import os, select, socket, sys, threading, time

program, served = sys.argv[1:3]
stream, theirs = socket.socketpair()
control, their_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
report_read, report_write = os.pipe()


def start():
    place = os.open(served, os.O_PATH)
    null = os.open("/dev/null", os.O_RDONLY)
    pid = os.fork()
    if pid == 0:
        for index, descriptor in enumerate((theirs.fileno(), their_control.fileno(), place, null)):
            os.dup2(descriptor, 50 + index)
        for index in range(4):
            os.dup2(50 + index, 3 + index)
            os.close(50 + index)
        os.execv(program, [program])
    os.write(report_write, b"%d\n" % pid)


parent = os.fork()
if parent == 0:
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    time.sleep(60)
    os._exit(0)
server = int(os.read(report_read, 100))
assert control.recv(100).startswith(b"ready")
end = os.pidfd_open(server)
assert select.select([end], [], [], 0.3)[0] == [], "it ended with the thread"
os.kill(parent, 9)
assert select.select([end], [], [], 5)[0] == [end], "it outlives its parent"
