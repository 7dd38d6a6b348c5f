import AgentProtocol
import InterceptionProtocol
import LinuxSystem
import SandboxState

extension Supervisor {
    /// The longest bundle of the host's that a sandbox without one gets, in bytes: with all else it fits into one frame.
    private static let longestBundle = 768 << 10

    /// Begins to start the sandbox's interceptor; `nil` for a sandbox that is to have none.
    static func startInterceptor(
        _ record: SandboxRecord, _ values: Descriptor?, in home: Home
    ) -> Task<InterceptorProcess, any Error>? {
        guard let settings = record.network.interception else { return nil }
        return Task {
            try await DedicatedThread.value { Result { try InterceptorProcess(settings, values: values, home) } }.get()
        }
    }

    /// Returns when the interceptor has ended though the sandbox has not: it cannot be started again, since the values of
    /// secrets were its own only.
    func watchInterceptor() async -> Ending? {
        guard let process = try? await interceptor?.value else { return nil }
        await process.waitForEnd()
        return .failed("sandpiper-tls, through which its connections go, has ended; start the sandbox again")
    }

    /// Ends the interceptor, if there is one.
    func endInterceptor() async { await (try? interceptor?.value)?.end() }

    /// What the sandbox's programs are to trust; `nil` where nobody intercepts.
    func trust() async throws -> MachineConfiguration.Trust? {
        guard let process = try await interceptor?.value, let settings = record.network.interception else { return nil }
        let trust = GuestTrust()
        // Connections that are not opened need what the sandbox would trust by itself.
        let fallback = settings.bypassedHosts.isEmpty ? "" : Self.hostBundle() ?? ""
        return .init(
            certificate: process.authority, certificatePath: trust.certificatePath, bundlePath: trust.bundlePath,
            bundles: GuestTrust.bundlePaths, sourceDirectories: GuestTrust.sourceDirectories, fallbackBundle: fallback)
    }

    private static func hostBundle() -> String? {
        GuestTrust.bundlePaths.lazy.compactMap { path in
            (try? FileTree.read(path, limit: longestBundle)).map { String(decoding: $0, as: UTF8.self) }
        }.first
    }

    /// The variables that lead programs to it.
    static let trustVariables = GuestTrust().variables.map { "\($0.name)=\($0.value)" }
}
