import Glibc
import LinuxSystem
import Testing

/// What programs do in a directory of the host, by real programs.
@Suite(.needsMachines) struct MountUseTests {
    /// Runs a program of Python in a sandbox that shows a folder of the host at `/w`.
    private func python(_ home: TestHome, _ program: String, _ options: [String] = []) async throws -> Outcome {
        let folder = try home.folder("w")
        try FileTree.writeAtomically(Array(program.utf8), to: home.scratch + "/program.py", mode: 0o644)
        return try await home.sandpiper(
            ["run", "-v", "\(folder):/w", "-v", "\(home.scratch)/program.py:/program.py:ro"] + options
                + ["python", "python3", "/program.py"])
    }

    @Test("databases, locks, mapped memory and files that are unlinked while they are open work as on a disk")
    func semantics() async throws {
        try await TestHome.with(["python.tar"]) { home in
            let outcome = try await python(
                home,
                """
                import fcntl, mmap, os, sqlite3, subprocess, sys
                os.chdir('/w')
                # Two processes write to one database.
                db = sqlite3.connect('db'); db.execute('create table t (n)'); db.commit()
                code = "import sqlite3\\nfor n in range(30):\\n  d = sqlite3.connect('/w/db', timeout=60)\\n  d.execute('insert into t values (?)', (n,)); d.commit(); d.close()"
                both = [subprocess.Popen([sys.executable, '-c', code]) for _ in range(2)]
                print([p.wait() for p in both], db.execute('select count(*), sum(n) from t').fetchone(), db.execute('pragma integrity_check').fetchone())
                db.close()
                # Locks exclude other processes, of both kinds.
                lock = open('lock', 'w'); fcntl.flock(lock, fcntl.LOCK_EX)
                test = "import fcntl\\ntry: fcntl.%s(open('/w/lock', 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB); print('got')\\nexcept OSError as e: print(type(e).__name__)"
                run = lambda kind: subprocess.run([sys.executable, '-c', test % kind], capture_output=True, text=True).stdout.strip()
                print(run('flock')); fcntl.flock(lock, fcntl.LOCK_UN); print(run('flock'))
                fcntl.lockf(lock, fcntl.LOCK_EX); print(run('lockf')); lock.close(); print(run('lockf'))
                # Memory that is mapped is the file.
                f = open('mapped', 'w+b'); f.truncate(8192); m = mmap.mmap(f.fileno(), 8192); m[5000:5005] = b'bytes'; m.flush()
                print(open('mapped', 'rb').read()[5000:5005]); m[0:4] = b'last'; m.close(); f.close()
                # Unlinked and renamed while open.
                f = open('open', 'w+'); f.write('still'); f.flush(); os.unlink('open'); f.seek(0); print(f.read(), os.path.exists('open'), os.fstat(f.fileno()).st_nlink)
                a = open('a', 'w'); a.write('old'); a.close(); old = open('a'); b = open('b', 'w'); b.write('new'); b.close()
                os.rename('b', 'a'); print(old.read(), open('a').read(), os.path.exists('b'))
                os.link('a', 'c'); print(os.stat('c').st_nlink, os.path.samefile('a', 'c'))
                f = os.open('sparse', os.O_CREAT | os.O_RDWR); os.pwrite(f, b'x', 1 << 30); os.fsync(f); print(os.fstat(f).st_size, os.fstat(f).st_blocks < 100)
                os.setxattr('a', 'user.note', b'value'); print(os.getxattr('a', 'user.note'))
                os.utime('a', ns=(1, 1234567891234567891)); print(os.stat('a').st_mtime_ns)
                os.unlink('sparse')
                """)
            #expect(
                outcome.lines == [
                    "[0, 0] (60, 870) ('ok',)", "BlockingIOError", "got", "BlockingIOError", "got", "b'bytes'",
                    "still False 0", "old new False", "2 True", "1073741825 True", "b'value'", "1234567891234567891",
                ], "\(outcome.output)\(outcome.error)")
            #expect(outcome.status == 0)
            // What was written to mapped memory last is there too.
            #expect(try await home.host("head -c 4 w/mapped; cat w/a").output == "lastnew")
        }
    }

    @Test("ten thousand files and a round trip through tar come out as they went in")
    func manyFiles() async throws {
        try await TestHome.with(["python.tar"]) { home in
            let make =
                "mkdir w; cd w; for d in {0..99}; do mkdir d$d; for n in {0..99}; do echo $d $n >d$d/$n; done; done"
            #expect(try await home.host(make).status == 0)
            let outcome = try await python(
                home,
                """
                import os, subprocess, tarfile
                os.chdir('/w')
                print(sum(len(files) for _, _, files in os.walk('.')), sum(e.stat().st_size for d in os.scandir('.') for e in os.scandir(d)))
                print(all(open('d%d/%d' % (d, d)).read() == '%d %d\\n' % (d, d) for d in range(100)))
                with tarfile.open('/tmp/a.tar', 'w') as t: t.add('d7'); t.add('d8')
                os.mkdir('again'); tarfile.open('/tmp/a.tar').extractall('again')
                print([subprocess.run(['diff', '-r', d, 'again/' + d]).returncode for d in ('d7', 'd8')])
                for d in range(90, 95):
                    for n in range(100): os.unlink('d%d/%d' % (d, n))
                    os.rmdir('d%d' % d)
                """)
            #expect(outcome.lines == ["10000 58000", "True", "[0, 0]"], "\(outcome.error)")
            let check = try await home.host(
                "cd w; find d* -type f | wc -l; cat d99/99; diff -r d7 again/d7 && echo same; ls | wc -l")
            #expect(check.lines == ["9500", "99 99", "same", "96"], "\(check.output)")
        }
    }

    @Test("a package is installed, and programs of a tree in a mount run and are compiled")
    func programs() async throws {
        try await TestHome.with(["python.tar"]) { home in
            let outcome = try await python(
                home,
                """
                import compileall, os, stat, subprocess, sys, venv
                os.makedirs('/w/pkg/sub')
                open('/w/pkg/__init__.py', 'w').write('value = 42'); open('/w/pkg/sub/__init__.py', 'w').write('from .. import value')
                compileall.compile_dir('/w/pkg', quiet=1)
                print(subprocess.run([sys.executable, '-c', 'import pkg.sub; print(pkg.sub.value)'], cwd='/w', capture_output=True, text=True).stdout.strip())
                open('/w/tool', 'w').write('#!/bin/sh\\necho ran $1\\n'); os.chmod('/w/tool', 0o755)
                print(subprocess.run(['/w/tool', 'well'], capture_output=True, text=True).stdout.strip())
                os.symlink('tool', '/w/link'); print(subprocess.run(['/w/link', 'again'], capture_output=True, text=True).stdout.strip())
                print(sorted(os.listdir('/w/pkg')))
                """)
            #expect(
                outcome.lines == ["42", "ran well", "ran again", "['__init__.py', '__pycache__', 'sub']"],
                "\(outcome.error)")
        }
    }

    @Test("what the last process of a sandbox leaves unwritten arrives before the command ends")
    func lastWrites() async throws {
        try await TestHome.with(["python.tar"]) { home in
            let outcome = try await python(
                home,
                """
                import mmap, os
                # A process that is killed with the sandbox has changed memory that is mapped, and nothing else.
                ready = os.pipe()
                if os.fork() == 0:
                    f = open('/w/file', 'w+b'); f.truncate(1 << 20); m = mmap.mmap(f.fileno(), 1 << 20); m[:] = b'y' * (1 << 20)
                    os.write(ready[1], b'x'); import time; time.sleep(1000)
                os.read(ready[0], 1)
                """)
            #expect(outcome.status == 0, "\(outcome.error)")
            #expect(try await home.host("tr -d y <w/file | wc -c; wc -c <w/file").lines == ["0", "\(1 << 20)"])
        }
    }

    @Test("mount throughput, for the record")
    func throughput() async throws {
        try await TestHome.with(["python.tar"]) { home in
            let outcome = try await python(
                home,
                """
                import os, time
                def rate(what, count, unit, body):
                    start = time.monotonic(); body(); print('%s: %.0f %s/s' % (what, count / (time.monotonic() - start), unit))
                block = bytes(1 << 20)
                def write():
                    f = os.open('/w/big', os.O_CREAT | os.O_WRONLY)
                    for _ in range(64): os.write(f, block)
                    os.fsync(f); os.close(f)
                def read():
                    f = os.open('/w/big', os.O_RDONLY)
                    while os.read(f, 1 << 20): pass
                    os.close(f)
                def create():
                    for n in range(2000): os.close(os.open('/w/f%d' % n, os.O_CREAT | os.O_WRONLY))
                rate('write', 64, 'MiB', write); open('/proc/sys/vm/drop_caches', 'w').write('3'); rate('read', 64, 'MiB', read)
                rate('create', 2000, 'files', create)
                """)
            #expect(outcome.status == 0 && outcome.lines.count == 3, "\(outcome.error)")
            print("mount, emulated or not: \(outcome.lines.joined(separator: ", "))")
        }
    }
}
