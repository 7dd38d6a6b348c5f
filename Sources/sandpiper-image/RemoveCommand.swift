import ArgumentParser
import ImageStore

struct RemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rmi",
        abstract: "Remove images.",
        discussion: """
            A reference is removed; the image itself goes with its last reference. An image named by its digest goes \
            with its one reference, or with all of them if forced.
            """)

    @Flag(name: .shortAndLong, help: "Remove an image that is named by its digest with all its references.")
    var force = false

    @Argument(help: ArgumentHelp("References, or beginnings of digests.", valueName: "image"))
    var images: [String]

    func run() throws {
        let store = try openStore()
        var failed = false
        for image in images {
            do {
                for removal in try store.remove(image, force: force) {
                    switch removal {
                    case .untagged(let reference): print("Untagged: \(reference)")
                    case .deleted(let digest): print("Deleted: \(digest)")
                    }
                }
            } catch {
                // The others are removed all the same, as Docker does.
                SandpiperImage.report("\(error)")
                failed = true
            }
        }
        if failed { throw ExitCode(SandpiperImage.failure) }
    }
}
