"""Databases in a directory: two processes that write with locks, and one that is killed in mid-transaction: sqlite.py DIRECTORY"""
import os, signal, sqlite3, subprocess, sys, time

directory = sys.argv[1]


def connect(path, mode):
    database = sqlite3.connect(path, timeout=60, isolation_level=None)
    found = database.execute(f"pragma journal_mode={mode}").fetchone()[0]
    assert found == mode, f"journal mode {found}, not {mode}"
    database.execute("pragma synchronous=full")
    return database


def add(path, mode, count):
    database = connect(path, mode)
    for _ in range(count):
        database.execute("begin immediate")
        value, = database.execute("select value from counter").fetchone()
        database.execute("update counter set value = ?", (value + 1,))
        database.execute("insert into rows(value, filling) values (?, randomblob(500))", (value,))
        database.execute("commit")


def endless(path, mode):
    database = connect(path, mode)
    database.execute("pragma cache_size=10")
    while True:
        database.execute("begin immediate")
        first, = database.execute("select coalesce(max(value), 0) from pairs").fetchone()
        for n in range(200):
            database.execute("insert into pairs(value, filling) values (?, randomblob(2000))", (first + 1,))
        database.execute("commit")
        print(first + 1, flush=True)


def run(*arguments):
    return subprocess.Popen([sys.executable, __file__, directory, *arguments], stdout=subprocess.PIPE, text=True)


def main():
    for mode in ("delete", "wal", "truncate", "persist"):
        path = os.path.join(directory, mode)
        database = connect(path, mode)
        database.execute("create table counter(value)")
        database.execute("insert into counter values (0)")
        database.execute("create table rows(value, filling)")
        database.execute("create table pairs(value, filling)")
        database.close()
        count = 60
        workers = [run("add", path, mode, str(count)) for _ in range(2)]
        assert [worker.wait() for worker in workers] == [0, 0], mode
        database = connect(path, mode)
        assert database.execute("select value from counter").fetchone()[0] == 2 * count, mode
        assert database.execute("select count(distinct value) from rows").fetchone()[0] == 2 * count, mode
        database.close()
        committed = 0
        for delay in (0.02, 0.11, 0.23):
            worker = run("endless", path, mode)
            committed = int(worker.stdout.readline())
            time.sleep(delay)
            worker.kill()
            committed = max([committed] + [int(line) for line in worker.stdout.read().split("\n")[:-1] if line])
            worker.wait()
            database = connect(path, mode)
            assert database.execute("pragma integrity_check").fetchall() == [("ok",)], mode
            last, = database.execute("select coalesce(max(value), 0) from pairs").fetchone()
            assert last >= committed, f"{mode}: {committed} was committed, {last} is there"
            broken = database.execute("select count(*) from (select count(*) n from pairs group by value) where n != 200")
            assert broken.fetchone()[0] == 0, mode
            database.close()


if len(sys.argv) == 2:
    main()
elif sys.argv[2] == "add":
    add(sys.argv[3], sys.argv[4], int(sys.argv[5]))
else:
    endless(sys.argv[3], sys.argv[4])
