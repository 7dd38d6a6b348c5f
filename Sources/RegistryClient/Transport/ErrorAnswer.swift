import AsyncHTTPClient
import OCI

/// An answer that says no, and its reasons (OCI distribution specification, "Error Codes").
enum ErrorAnswer {
    private struct Document: Decodable {
        struct Reason: Decodable { var code, message: String? }
        var errors: [Reason]
    }

    /// Reads the rest of an answer whose status was not expected.
    /// - Parameters:
    ///   - host: the registry or host that answered.
    ///   - isAnonymous: whether the request had no credentials.
    static func failure(
        _ response: HTTPClientResponse, _ meter: TransferMeter, _ limits: RegistryLimits, _ what: String, host: String,
        isAnonymous: Bool
    ) async -> AttemptFailure {
        // A body that is too large or breaks off says nothing: the status stays.
        let body = (try? await response.collect(meter, limit: ("answerSize", limits.answerSize), what)) ?? []
        let message = message(in: body)
        switch response.status.code {
        case 401: return AttemptFailure(.unauthorized(what, host: host, anonymous: isAnonymous))
        case 403: return AttemptFailure(.forbidden(what, host: host, message: message))
        case 404: return AttemptFailure(.notFound(what, host: host))
        case let status:
            let error = RegistryError.refused(what, host: host, status: Int(status), message: message)
            guard [429, 500, 502, 503, 504].contains(status) else { return AttemptFailure(error) }
            let pause = response.headers.first(name: "Retry-After").flatMap { RetryAfter.parse($0) }
            return AttemptFailure(transient: error, pause: pause)
        }
    }

    /// The registry's own words; empty when the body is none of its documents.
    static func message(in body: [UInt8]) -> String {
        guard let document = try? BoundedJSON.decode(Document.self, from: body, document: "error") else { return "" }
        return document.errors.prefix(3).compactMap { reason in
            let parts = [reason.code, reason.message].compactMap { $0.flatMap { $0.isEmpty ? nil : $0 } }
            return parts.isEmpty ? nil : parts.joined(separator: ": ")
        }.joined(separator: "; ")
    }
}
