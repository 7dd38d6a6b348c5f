import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import OCI

/// Sends one blob in one piece, as Docker does (OCI distribution specification, "Pushing blobs"): a place is asked for,
/// the bytes are sent there, and the digest closes it.
struct BlobUpload: Sendable {
    let session: RegistrySession
    let limits: RegistryLimits
    let remote: Remote
    let descriptor: ContentDescriptor
    let reference: Reference

    private var what: String { "blob \(descriptor.digest.short) to \(reference)" }

    /// Asks for a place.
    /// - Parameter otherPath: a repository that may have the blob.
    /// - Returns: the place; `nil` when the registry has taken the blob from the other repository.
    func begin(mountableFrom otherPath: String?) async throws(AttemptFailure) -> WebAddress? {
        var query = ""
        var scopes = [RepositoryScope.push(reference.path)]
        if let otherPath, otherPath != reference.path {
            query = "?mount=\("\(descriptor.digest)".queryEncoded)&from=\(otherPath.queryEncoded)"
            scopes.append(.pull(otherPath))
        }
        let path = "\(reference.path)/blobs/uploads/\(query)"
        let call = RegistryCall(
            method: .POST, target: .path(path), scopes: scopes,
            accepted: [201, 202], what: what)
        return try await session.attempt(call, at: remote) { response, _ in
            response.status.code == 201 ? nil : try await self.place(response, after: .path(path))
        }
    }

    /// Sends the bytes.
    /// - Returns: the place that is to be closed.
    func send(_ source: some BlobSource, to place: WebAddress) async throws(AttemptFailure) -> WebAddress {
        let size = descriptor.size
        let call = RegistryCall(
            method: .PATCH, target: .address(place), headers: ["Content-Type": "application/octet-stream"],
            body: .stream { meter in
                do {
                    return .stream(MeteredBytes(base: try await source.bytes(), meter: meter), length: .known(size))
                } catch { throw RegistryError.local(error) }
            },
            scopes: [.push(reference.path)], accepted: [202, 204], responseTime: limits.commitTime, what: what)
        return try await session.attempt(call, at: remote) { response, _ in
            try await self.place(response, after: .address(place))
        }
    }

    /// Closes the place under the blob's digest.
    func finish(at place: WebAddress) async throws(AttemptFailure) {
        let call = RegistryCall(
            method: .PUT, target: .address(place.adding("digest", "\(descriptor.digest)".queryEncoded)),
            scopes: [.push(reference.path)], accepted: [201, 204],
            responseTime: limits.commitTime, what: what)
        try await session.attempt(call, at: remote) { _, _ in }
    }

    /// Where to go on, as the answer to a request for `target` says.
    private func place(_ response: HTTPClientResponse, after target: RegistryCall.Target) async throws -> WebAddress {
        func invalid(_ reason: String) -> RegistryError { .invalidAnswer(what, host: remote.name, reason: reason) }
        guard let text = response.headers.first(name: "Location"), text.utf8.count <= limits.addressSize else {
            throw invalid("it names no place for the upload")
        }
        let origin = try await session.finder.origin(of: remote, what)
        let base =
            switch target {
            case .path(let path): remote.address(path, at: origin)
            case .address(let address): address
            }
        guard let place = WebAddress(text, relativeTo: base) else {
            throw invalid("the place it names for the upload is no URL")
        }
        guard place.origin.scheme == .https || origin.scheme == .http else {
            throw invalid(
                "it wants the upload by plain http at \(place.origin.authority); its proxy hides https from it")
        }
        return place
    }
}

/// The bytes of an upload, which tell the meter how fast the network takes them.
private struct MeteredBytes<Base: AsyncSequence & Sendable>: AsyncSequence, Sendable where Base.Element == ByteBuffer {
    let base: Base
    let meter: TransferMeter

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: Base.AsyncIterator
        let meter: TransferMeter
        var count = 0

        mutating func next() async throws -> ByteBuffer? {
            // Asking for the next piece means that the last one is on its way.
            meter.advance(count)
            count = 0
            do {
                guard let piece = try await base.next() else {
                    meter.bodyIsSent()
                    return nil
                }
                count = piece.readableBytes
                meter.wait()
                return piece
            } catch is CancellationError { throw RegistryError.cancelled } catch { throw RegistryError.local(error) }
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: base.makeAsyncIterator(), meter: meter) }
}
