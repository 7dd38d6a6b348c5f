import ArgumentParser
import ImageImport
import OCI

/// Options of the commands that bring images in.
struct ImportOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Take the image for another platform, for example linux/arm64.", valueName: "os/arch"),
        transform: { text in
            let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard (2...3).contains(parts.count), !parts.contains("") else {
                throw ValidationError("--platform \(text): write OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT")
            }
            return Platform(os: parts[0], architecture: parts[1], variant: parts.count == 3 ? parts[2] : nil)
        })
    var platform: Platform?

    @Option(
        help: ArgumentHelp(
            "Raise or lower a limit: \(ImportLimits.names.joined(separator: ", ")).", valueName: "name=number"))
    var limit: [String] = []

    var limits: ImportLimits {
        get throws {
            var limits = ImportLimits()
            for text in limit {
                let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, let value = Int64(parts[1]), limits.set(String(parts[0]), to: value) else {
                    throw UserError(
                        "--limit \(text): write NAME=NUMBER with one of \(ImportLimits.names.joined(separator: ", "))")
                }
            }
            return limits
        }
    }
}
