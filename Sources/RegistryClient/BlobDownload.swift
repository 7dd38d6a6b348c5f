import AsyncHTTPClient
import NIOCore
import OCI

/// Brings the bytes of one blob's answers into its sink.
struct BlobDownload<Sink: BlobSink>: Sendable {
    let descriptor: ContentDescriptor
    let what: String
    let sink: Sink

    /// Reads one answer to its end.
    /// - Parameters:
    ///   - start: how many bytes the sink has.
    ///   - host: who answers, for messages.
    func read(
        _ response: HTTPClientResponse, _ meter: TransferMeter, from start: Int64, host: String
    ) async throws {
        var position = start
        if response.status.code == 206 { try checkRange(response, from: start, host: host) } else { position = 0 }
        if let length = response.headers.first(name: "Content-Length").flatMap({ Int64($0) }) {
            guard length >= 0, length == descriptor.size - position else {
                throw RegistryError.mismatch(
                    what, expected: "\(descriptor.size - position) bytes", found: "\(length) bytes")
            }
        }
        var skipped = start - position
        try await response.forEachPiece(meter) { piece in
            guard Int64(piece.readableBytes) <= descriptor.size - position else {
                throw RegistryError.mismatch(what, expected: "\(descriptor.size) bytes", found: "more")
            }
            position += Int64(piece.readableBytes)
            var rest = piece
            let known = Int(min(skipped, Int64(rest.readableBytes)))
            rest.moveReaderIndex(forwardBy: known)
            skipped -= Int64(known)
            guard rest.readableBytes > 0 else { return }
            do { try await sink.write(rest) } catch {
                throw error is CancellationError ? RegistryError.cancelled : RegistryError.local(error)
            }
        }
        guard position == descriptor.size else {
            throw AttemptFailure(
                transient: .connection(
                    what, host: host, reason: "it was closed after \(position) of \(descriptor.size) bytes"))
        }
    }

    /// Checks that a part of the blob is the one that was asked for (RFC 9110, section 14.4).
    private func checkRange(_ response: HTTPClientResponse, from start: Int64, host: String) throws(RegistryError) {
        let text = response.headers.first(name: "Content-Range") ?? ""
        let parts = text.split { $0 == " " || $0 == "-" || $0 == "/" }
        let expected = ["bytes", "\(start)", "\(descriptor.size - 1)"]
        guard parts.count == 4, parts.prefix(3).map({ $0.lowercased() }) == expected,
            parts.last == "*" || parts.last == "\(descriptor.size)"
        else {
            throw .invalidAnswer(
                what, host: host, reason: "asked for bytes from \(start), it gives \"\(text)\" of \(descriptor.size)")
        }
    }
}
