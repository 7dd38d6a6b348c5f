"""Databases with open transactions: a writer and a reader of one with a write-ahead log, and a writer of one with a
rollback journal that has spilled into its file. Committed later, or rolled back, they are as they must be."""

import os
import sqlite3

from workload import Requests, expect, size

ROWS = size("ROWS", 2000)
requests = Requests()


def connect(name):
    return sqlite3.connect(name, isolation_level=None, timeout=10)


def rows(connection):
    return connection.execute("select count(*), coalesce(sum(n), 0) from t").fetchone()


def expected(first, last):
    """The rows of the numbers from `first` to `last`."""
    count = last - first + 1
    return count, (first + last) * count // 2


def insert(connection, first, last):
    connection.executemany("insert into t values (?, ?)", ((n, "x" * 100) for n in range(first, last + 1)))


def verify(connection):
    expect("integrity", connection.execute("pragma integrity_check").fetchone()[0], "ok")


for name in ("logged", "rolled"):
    with_table = connect(name)
    with_table.execute(f"pragma journal_mode = {'wal' if name == 'logged' else 'delete'}")
    with_table.execute("create table t (n integer primary key, text)")
    with_table.execute("begin")
    insert(with_table, 1, ROWS)
    with_table.execute("commit")
    with_table.close()

reader, writer, roller = connect("logged"), connect("logged"), connect("rolled")
reader.execute("begin")
rows(reader)
writer.execute("begin immediate")
insert(writer, ROWS + 1, 2 * ROWS)
# A small cache, so that changed pages are in the file and the old ones in the journal.
roller.execute("pragma cache_size = 10")
roller.execute("begin immediate")
roller.execute("update t set n = -n, text = 'gone'")
later = 2 * ROWS


def check(_):
    global later
    # The writer's transaction goes on.
    insert(writer, later + 1, later + 10)
    later += 10
    expect("the writer", rows(writer), expected(1, later))
    expect("the reader", rows(reader), expected(1, ROWS))
    expect("the other writer", rows(roller), (ROWS, -expected(1, ROWS)[1]))
    expect("its journal", os.path.getsize("rolled-journal") > 4096, True)
    fresh = connect("logged")
    expect("a fresh reader", rows(fresh), expected(1, ROWS))
    try:
        fresh.execute("pragma busy_timeout = 0")
        fresh.execute("begin immediate")
        raise ValueError("two can write at a time")
    except sqlite3.OperationalError as error:
        expect("a second writer", str(error), "database is locked")
    fresh.close()
    requests.step()
    return later


def end():
    """Commits one and rolls back the other; what is left is seen by whoever comes then."""
    writer.execute("commit")
    expect("the reader's snapshot", rows(reader), expected(1, ROWS))
    reader.execute("commit")
    expect("the reader", rows(reader), expected(1, later))
    roller.execute("rollback")
    for connection in (reader, writer, roller):
        connection.close()
    for name, last in (("logged", later), ("rolled", ROWS)):
        fresh = connect(name)
        expect(name, rows(fresh), expected(1, last))
        verify(fresh)
        fresh.close()


requests.ready()
while True:
    requests.serve(check, status=14, end=end)
