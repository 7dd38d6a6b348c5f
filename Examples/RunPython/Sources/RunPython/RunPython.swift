import Glibc
import Sandpiper

/// `RunPython [IMAGE]`: what the library does, shown with Python code in a sandbox. The image, `python` if none is named,
/// must hold `python3`.
@main
struct RunPython {
    static func main() async {
        do { try await show(CommandLine.arguments.dropFirst().first ?? "python") } catch {
            print("RunPython: \(error)")
            exit(1)
        }
    }

    static func show(_ image: String) async throws {
        try await withSandbox(image: image) { sandbox in
            try await printResult(sandbox)
            try await streamOutput(sandbox)
            try await exchangeFiles(sandbox)
            try await cancel(sandbox)
        }
        print("sandbox removed")
    }

    /// Runs a program to its end.
    static func printResult(_ sandbox: Sandbox) async throws {
        let output = try await sandbox.exec(["python3", "-c", "print(6 * 7)"])
        print("result:", output.standardOutput.text, terminator: "")
    }

    /// Talks to a program while it runs.
    static func streamOutput(_ sandbox: Sandbox) async throws {
        let code = "import sys\nfor line in sys.stdin: print('got', line.strip(), flush=True)"
        let process = try await sandbox.process(["python3", "-c", code], takesInput: true)
        let output = process.standardOutput.makeAsyncIterator()
        for word in ["one", "two", "three"] {
            try await process.write(word + "\n")
            guard let piece = try await output.next() else { break }
            print("stream:", String(decoding: piece, as: UTF8.self), terminator: "")
        }
        process.closeInput()
        print("stream ended:", try await process.exitStatus)
    }

    /// Gives a program its code in a file, and fetches what it wrote to another.
    static func exchangeFiles(_ sandbox: Sandbox) async throws {
        let code = "import json\njson.dump({'squares': [n * n for n in range(5)]}, open('/tmp/result.json', 'w'))\n"
        try await sandbox.files.write(code, to: "/tmp/squares.py")
        _ = try await sandbox.exec(["python3", "/tmp/squares.py"])
        print("file:", try await sandbox.files.text(of: "/tmp/result.json"))
    }

    /// Gives up a program that does not end; it is killed.
    static func cancel(_ sandbox: Sandbox) async throws {
        let endless = Task { try await sandbox.exec(["python3", "-c", "while True: pass"]) }
        endless.cancel()
        do {
            _ = try await endless.value
        } catch is CancellationError {
            print("cancelled")
        }
    }
}
