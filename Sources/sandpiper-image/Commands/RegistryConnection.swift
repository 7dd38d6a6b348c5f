import ArgumentParser
import Foundation
import RegistryClient
import SandboxState

/// Options of the commands that talk to registries.
struct RegistryConnection: ParsableArguments {
    @Option(help: ArgumentHelp("Trust the certificates of this file beside the system's.", valueName: "file"))
    var caCert: [String] = []

    @Flag(help: "Do not check certificates, and go on without TLS where the registry has none.")
    var insecure = false

    var options: RegistryOptions {
        get throws {
            RegistryOptions(
                caCertificates: caCert, insecure: insecure, home: try Home.current().path,
                environment: ProcessInfo.processInfo.environment)
        }
    }

    /// Lets `body` use a client, and closes its connections afterwards.
    func withClient<Result>(_ body: (RegistryClient) async throws -> Result) async throws -> Result {
        let client = try RegistryClient(try options)
        let result: Result
        do { result = try await body(client) } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
        return result
    }
}
