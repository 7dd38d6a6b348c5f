import Glibc
import Testing

/// What `make test` built for the suites that run real machines, and told them in the environment.
enum Built {
    /// The folder of the release executables.
    static let executables = variable("SANDPIPER_TEST_EXECUTABLES")
    /// The folder of the images.
    static let images = variable("SANDPIPER_TEST_IMAGES")

    /// The folder of the servers that tests talk to; without a word in the environment, the one in the sources.
    static let servers = variable("SANDPIPER_TEST_SERVERS") ?? folder("Registries")

    /// The folder of the programs that are at work while sandboxes are frozen; without a word in the environment, the
    /// one in the sources.
    static let workloads = variable("SANDPIPER_TEST_WORKLOADS") ?? folder("Workloads")

    /// The folder of the lab, a little internet for tests; without a word in the environment, the one in the sources.
    static let network = variable("SANDPIPER_TEST_NETWORK") ?? folder("Network")

    /// The path of an image's archive.
    static func image(_ name: String) -> String { "\(images ?? "")/\(name)" }

    /// A folder beside that of this file.
    private static func folder(_ name: String) -> String {
        "/" + (#filePath.split(separator: "/").dropLast(2) + [Substring(name)]).joined(separator: "/")
    }

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

extension Trait where Self == ConditionTrait {
    /// Needs what `make test` builds; `swift test` by itself leaves the test out.
    static var needsMachines: Self {
        .enabled(if: Built.executables != nil && Built.images != nil, "run by 'make test', which builds what it needs")
    }

    /// Does what only root may do on the host.
    static func needsRoot(_ reason: Comment) -> Self { .enabled(if: geteuid() == 0, reason) }

    /// Takes minutes, and is the same for root: then the pass without privileges has it.
    static var isLong: Self {
        .enabled(if: geteuid() != 0 || getenv("SANDPIPER_LONG_TESTS") != nil, "the pass without privileges has it")
    }
}
