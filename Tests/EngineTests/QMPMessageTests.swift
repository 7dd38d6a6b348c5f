import Testing

@testable import Engine

@Suite("A control message") struct QMPMessageTests {
    private func message(_ text: String) -> QMPMessage? { QMPMessage(Array(text.utf8)) }

    @Test("of each kind is read as QEMU writes it")
    func kinds() {
        #expect(message(#"{"QMP": {"version": {"qemu": {"micro": 22}}, "capabilities": ["oob"]}}"#) == .greeting)
        #expect(message(#"{"return": {}, "id": 3}"#) == .done(id: 3))
        #expect(
            message(#"{"id": 4, "error": {"class": "GenericError", "desc": "no"}}"#) == .failed(id: 4, reason: "no"))
        #expect(
            message(
                #"{"timestamp": {"seconds": 1}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}"#
            )
                == .event("SHUTDOWN", detail: "guest-reset"))
        #expect(message(#"{"timestamp": {"seconds": 1}, "event": "STOP"}"#) == .event("STOP", detail: nil))
    }

    @Test(
        "that is none is refused",
        arguments: [
            "", "{", "null", "3", "{}", #"{"return": {}}"#, #"{"return": {}, "id": "x"}"#, #"{"event": 3}"#,
            #"{"return": {}, "id": 99999999999999999999}"#, #"{"error": "x", "id": 1}"#,
        ])
    func malformed(text: String) {
        #expect(message(text) == nil)
    }

    @Test("nested without end is refused")
    func nested() {
        #expect(message(String(repeating: "[", count: 60_000)) == nil)
        #expect(message(String(repeating: #"{"a":"#, count: 10_000)) == nil)
    }

    @Test("with any bytes at all is read or refused, never more")
    func anything() {
        var random = SystemRandomNumberGenerator()
        let seed = Array(#"{"timestamp": {"seconds": 1}, "event": "SHUTDOWN", "data": {"reason": "x"}, "id": 4}"#.utf8)
        for _ in 0..<2000 {
            var bytes = seed
            for _ in 0..<4 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
            }
            _ = QMPMessage(bytes)
        }
    }

    @Test("ends with its line, wherever the reads part it")
    func lines() {
        var reader = QMPLineReader()
        #expect(reader.lines(Array("ab".utf8)) == [])
        #expect(reader.lines(Array("c\r\n\r\nde\nf".utf8)) == [Array("abc\r".utf8), Array("de".utf8)])
        #expect(reader.lines(Array("\n".utf8)) == [Array("f".utf8)])
    }

    @Test("longer than any of QEMU's, and more of them than the commands account for, are refused")
    func bounds() {
        var reader = QMPLineReader()
        #expect(reader.lines([UInt8](repeating: 32, count: QMPLineReader.longestLine)) == [])
        #expect(reader.lines([32]) == nil)

        var chatter = QMPLineReader()
        let lines = [UInt8](repeating: 10, count: QMPLineReader.allowance.unasked)
        #expect(chatter.lines(lines) != nil)
        #expect(chatter.lines(lines.prefix(QMPLineReader.allowance.perCommand), commands: 1) != nil)
        #expect(chatter.lines([10], commands: 1) == nil)
    }
}
