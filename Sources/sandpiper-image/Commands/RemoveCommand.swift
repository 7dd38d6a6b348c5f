import ArgumentParser
import ImageStore

struct RemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rmi",
        abstract: "Remove images.",
        discussion: """
            A reference is removed; the image itself goes with its last reference. An image named by its digest goes \
            with its one reference, or with all of them if forced. An image that a sandbox runs from stays; if forced, it \
            loses its names.
            """)

    @Flag(name: .shortAndLong, help: "Remove all names of an image given by its digest, and those of images in use.")
    var force = false

    @Argument(help: ArgumentHelp("References, or beginnings of digests.", valueName: "image"))
    var images: [String]

    func run() throws {
        let store = try openStore()
        var failed = false
        for image in images {
            do {
                for removal in try store.remove(image, force: force, users: imageUsers) { print(removal) }
            } catch {
                // The others are removed all the same, as Docker does.
                SandpiperImage.report("\(error)")
                failed = true
            }
        }
        if failed { throw ExitCode(SandpiperImage.failure) }
    }
}
