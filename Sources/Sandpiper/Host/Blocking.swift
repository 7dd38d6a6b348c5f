import LinuxSystem

/// Does work that blocks on a thread of its own, so that it holds up no task.
/// - Throws: ``SandpiperError``, `CancellationError` when `body` throws it.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    do {
        return try await DedicatedThread.value { Result { try body() } }.get()
    } catch let error as CancellationError { throw error } catch { throw SandpiperError(error) }
}
