// The same for bytes that a caller has behind a pointer.

extension FirstBytes {
    /// Tells what bytes are the beginning of; `nil` while there are too few of them.
    public static func classify(_ bytes: UnsafeRawBufferPointer) -> FirstBytes? { bytes.asSpan { classify($0) } }
}

extension TLSClientTracker {
    /// What is to be done with the front of the bytes that have not passed.
    public mutating func next(_ bytes: UnsafeRawBufferPointer) -> Step { bytes.asSpan { next($0) } }
}

extension HTTPRequestTracker {
    /// What is to be done with the front of the bytes that have not passed.
    public mutating func next(_ bytes: UnsafeRawBufferPointer) -> Step { bytes.asSpan { next($0) } }

    /// Looks at further bytes of the server.
    public mutating func observe(server bytes: UnsafeRawBufferPointer) { bytes.asSpan { observe(server: $0) } }
}

extension UnsafeRawBufferPointer {
    /// Sound: the bytes are the caller's for as long as the call lasts, and a span cannot leave it.
    fileprivate func asSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        withMemoryRebound(to: UInt8.self) { body($0.span) }
    }
}
