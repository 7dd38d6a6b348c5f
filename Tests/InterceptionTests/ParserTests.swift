import InterceptionProtocol
import Testing

@testable import Interception
import TrafficInspection

@Suite("Looking for placeholders")
struct ScannerTests {
    private let scanner = PlaceholderScanner(
        ["sandpiper-secret-aaaaaaaa", "sandpiper-secret-bbbbbbbbbbbb"].map { Array($0.utf8) })

    @Test("all forms are found, wherever they are cut", arguments: 0..<76)
    func cuts(_ cut: Int) {
        let forms = [
            "sandpiper-secret-aaaaaaaa", "%73%61%6E%64%70%69%70%65%72%2D%73%65%63%72%65%74%2D%61%61%61%61%61%61%61%61",
            "sandpiper%2Dsecret%2daaaaaaaa",
        ]
        for form in forms {
            var stream = StreamScanner(scanner)
            let bytes = Array("before %41 \(form) after %".utf8)
            var found: Set<Int> = []
            for part in [bytes.prefix(cut), bytes.dropFirst(cut)] where !part.isEmpty {
                found.formUnion(Array(part).withUnsafeBytes { stream.feed($0) })
            }
            #expect(found == [0])
            var bytewise = StreamScanner(scanner)
            #expect(bytes.reduce(into: Set<Int>()) { $0.formUnion([$1].withUnsafeBytes { bytewise.feed($0) }) } == [0])
        }
    }

    @Test("one that is not whole is none, and each is told from the others")
    func others() {
        #expect(scanner.found(in: Array("sandpiper-secret-aaaaaaa sandpiper-secret-".utf8)) == [])
        let both = Array("xsandpiper-secret-bbbbbbbbbbbbsandpiper-secret-aaaaaaaasandpiper-secret-bbbbbbbbbbbb".utf8)
        #expect(scanner.hits(in: both).map(\.index) == [1, 0, 1])
        #expect(scanner.hits(in: both).map(\.start) == [1, 30, 55])
        let unlike = PlaceholderScanner(["aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb"].map { Array($0.utf8) })
        #expect(unlike.found(in: Array("xx bbbbbbbbbbbbbbbbbbbb".utf8)) == [1])
    }

    @Test("Base64 is what openssl and others make of it")
    func base64() {
        for (text, encoded) in [
            ("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("user:\u{e9}", "dXNlcjrDqQ=="),
        ] {
            #expect(Base64.encoded(Array(text.utf8)) == Array(encoded.utf8))
            #expect(Base64.decoded(Array(encoded.utf8)) == Array(text.utf8))
            #expect(Base64.decoded(Array(encoded.utf8.prefix { $0 != UInt8(ascii: "=") })) == Array(text.utf8))
        }
        for text in ["a", "YQ=", "YQ===", "Y Q", "YQ==x"] where text != "YQ=" {
            #expect(Base64.decoded(Array(text.utf8)) == nil)
        }
    }
}

@Suite("Guessing what a guest speaks")
struct SniffingTests {
    private func guess(_ text: String) -> SniffingRelay.Guess? {
        Array(text.utf8).withUnsafeBytes { SniffingRelay.guess($0) }
    }

    @Test("whatever a lenient server may take for HTTP counts as HTTP")
    func guesses() {
        #expect(guess("GET / HTTP/1.1\r\n") == .http1)
        #expect(guess("\r\nGET\t/ http/1.1\n") == .http1)
        #expect(guess("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == .http2)
        #expect(guess("EHLO me\r\n") == .other)
        #expect(guess("\u{1}\u{2}") == .other)
        #expect(guess("*1\r\n") == .other)
        #expect(guess("") == nil && guess("GET / HT") == nil && guess("PRI * HTTP/2.0") == nil)
        #expect(guess(String(repeating: "a", count: 20_000)) == .other)
    }
}
