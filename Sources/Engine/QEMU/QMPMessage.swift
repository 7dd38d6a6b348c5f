#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A message from QEMU over its control socket, as the QEMU Machine Protocol specification defines them.
enum QMPMessage: Equatable {
    /// What QEMU says first.
    case greeting
    /// The command with this number has been carried out.
    case done(id: Int)
    /// The command with this number has failed.
    case failed(id: Int, reason: String)
    /// Something has happened; `detail` is the reason of a `SHUTDOWN` and the status of a `MIGRATION`.
    case event(String, detail: String?)

    /// Reads one line. `nil` when it is no message: the engine may have been taken over by its guest.
    init?(_ line: [UInt8]) {
        guard let message = try? JSONDecoder().decode(Line.self, from: Data(line)) else { return nil }
        if let event = message.event {
            self = .event(event, detail: message.data?.reason ?? message.data?.status)
        } else if let error = message.error, let id = message.id {
            self = .failed(id: id, reason: String(error.desc.prefix(200)))
        } else if message.return != nil, let id = message.id {
            self = .done(id: id)
        } else if message.QMP != nil {
            self = .greeting
        } else {
            return nil
        }
    }

    private struct Line: Decodable {
        struct Anything: Decodable { init(from decoder: any Decoder) {} }
        struct Detail: Decodable {
            var reason: String?
            var status: String?
        }
        struct Failure: Decodable { var desc: String }

        var QMP: Anything?
        var `return`: Anything?
        var error: Failure?
        var event: String?
        var data: Detail?
        var id: Int?
    }
}

/// Splits what comes over a control socket into lines, within bounds.
struct QMPLineReader {
    /// No message is longer than this; those awaited here have a few hundred bytes.
    static let longestLine = 64 << 10
    /// All messages together that come unasked, and those that come for one command.
    static let allowance = (unasked: 1 << 20, perCommand: 4096)

    private var rest: [UInt8] = []
    private var total = 0

    /// Takes the next bytes and returns the lines that they complete; `nil` when a bound is passed.
    /// - Parameter commands: how many have been given to the engine by now.
    mutating func lines(_ bytes: some Collection<UInt8>, commands: Int = 0) -> [[UInt8]]? {
        total += bytes.count
        guard total <= Self.allowance.unasked + Self.allowance.perCommand * commands else { return nil }
        var lines: [[UInt8]] = []
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                if !rest.isEmpty && rest != [UInt8(ascii: "\r")] { lines.append(rest) }
                rest = []
            } else {
                guard rest.count < Self.longestLine else { return nil }
                rest.append(byte)
            }
        }
        return lines
    }
}
