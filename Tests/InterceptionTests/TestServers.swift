import Glibc
import LinuxSystem
import Testing

/// nginx with HTTP/2, in front of a server that answers with what it was asked.
final class WebServer: Sendable {
    let directory: TestDirectory
    /// With TLS, HTTP/2 and HTTP/1.
    let port: UInt16
    /// Without TLS.
    let plainPort: UInt16
    private let processes: [Background]

    init(_ authority: TestAuthority, certificate: String = "server", mostRequests: Int = 100_000) async throws {
        directory = try TestDirectory()
        // Free ones: nobody listens on them any more.
        let ports = try (0..<3).map { _ in try TestGateway.listenLocally() }.map(\.1)
        (port, plainPort) = (ports[0], ports[1])
        let echoPort = ports[2]
        let path = directory.path
        // Also readable for the user that nginx gives its work to.
        try FileTree.makeDirectory("\(path)/www", mode: 0o755)
        try directory.write("www/index.html", "hello\n")
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(path)/\($0);" }
        try directory.write(
            "nginx.conf",
            """
            daemon off; master_process off; pid \(path)/pid; error_log \(path)/errors;
            events { worker_connections 2048; }
            http {
              access_log off; client_max_body_size 0; keepalive_requests \(mostRequests); \(temporary.joined(separator: " "))
              server {
                listen 127.0.0.1:\(port) ssl http2; listen 127.0.0.1:\(plainPort);
                ssl_certificate \(authority.directory.path)/\(certificate).pem;
                ssl_certificate_key \(authority.directory.path)/server.key;
                root \(path)/www;
                location /echo {
                  proxy_pass http://127.0.0.1:\(echoPort); proxy_http_version 1.1; proxy_set_header Host $host;
                  proxy_request_buffering off;
                }
                location /host { return 200 "$host\\n"; }
              }
            }
            """)
        try directory.write("echo.py", Self.echo)
        processes = [
            try Background(["/usr/bin/env", "python3", "-B", "\(path)/echo.py", "\(echoPort)"]),
            try Background(["/usr/sbin/nginx", "-e", "\(path)/errors", "-c", "\(path)/nginx.conf"]),
        ]
        for wanted in [port, plainPort, echoPort] { try await Self.wait(for: wanted) }
    }

    static func wait(for port: UInt16) async throws {
        for _ in 0..<500 {
            if (try? TestGateway.connectLocally(port)) != nil { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw SystemError("wait for the server on", "\(port)", number: ETIMEDOUT)
    }

    /// Answers with the request line, the fields, a digest and the beginning of the body.
    private static let echo = """
        import hashlib, http.server, json, sys
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def answer(self):
                digest, begin, count = hashlib.sha256(), b"", 0
                for part in self.parts():
                    digest.update(part); count += len(part)
                    if len(begin) < 4096: begin += part[:4096]
                answer = json.dumps({"line": self.requestline, "fields": self.headers.items(), "count": count,
                    "digest": digest.hexdigest(), "body": begin.decode("latin1")}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD": self.wfile.write(answer)
            def parts(self):
                if "chunked" in self.headers.get("transfer-encoding", ""):
                    while size := int(self.rfile.readline().split(b";")[0], 16):
                        yield self.rfile.read(size); self.rfile.readline()
                    while self.rfile.readline().strip(): pass
                else:
                    left = int(self.headers.get("content-length", 0))
                    while left > 0:
                        part = self.rfile.read(min(left, 65536)); left -= len(part)
                        if not part: return
                        yield part
            do_GET = do_POST = do_PUT = do_HEAD = answer
            def log_message(self, *arguments): pass
        http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
        """
}

/// A server of TLS that answers each request with bytes that are fixed before, so that it can be as odd as one likes.
final class OddServer: Sendable {
    let directory: TestDirectory
    let port: UInt16
    private let process: Background

    /// - Parameters:
    ///   - answers: by path, Python expressions for bytes; `REQUEST` stands for the request as it came. One without a
    ///     path, if any, is said when a connection begins.
    ///   - options: `alpn`, `close` after each answer, `raw`: everything is echoed, `silent`: TLS is never spoken.
    init(_ authority: TestAuthority, _ answers: [String: String], options: String = "close") async throws {
        directory = try TestDirectory()
        port = try TestGateway.listenLocally().1
        let table = answers.map { "\"\($0.key)\": lambda REQUEST: \($0.value)," }.joined(separator: " ")
        try directory.write("server.py", "ANSWERS = {\(table)}\n" + Self.program)
        process = try Background([
            "/usr/bin/env", "python3", "-B", "\(directory.path)/server.py", "\(port)",
            "\(authority.directory.path)/server.pem", "\(authority.directory.path)/server.key", options,
        ])
        try await WebServer.wait(for: port)
    }

    private static let program = """
        import socket, ssl, sys, threading
        port, options = int(sys.argv[1]), sys.argv[4].split()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        if "alpn" in options: context.set_alpn_protocols(["http/1.1"])
        def serve(plain):
            try:
                if "silent" in options:
                    while plain.recv(4096): pass
                    return
                stream = context.wrap_socket(plain, server_side=True)
                if "" in ANSWERS: stream.sendall(ANSWERS[""](b""))
                if "raw" in options:
                    while data := stream.recv(65536): stream.sendall(data)
                    stream.unwrap().close()
                    return
                while True:
                    request = b""
                    while b"\\r\\n\\r\\n" not in request:
                        data = stream.recv(65536)
                        if not data: return
                        request += data
                    path = request.split(b" ")[1].decode()
                    stream.sendall(ANSWERS[path](request))
                    if "upgrade" in path:
                        while data := stream.recv(65536): stream.sendall(data)
                    if "close" in options:
                        stream.unwrap().close()
                        return
            except (OSError, ssl.SSLError): pass
            finally: plain.close()
        listener = socket.create_server(("127.0.0.1", port), backlog=256, reuse_port=False)
        while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
        """
}
