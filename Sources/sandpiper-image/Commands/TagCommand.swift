import ArgumentParser
import ImageStore
import OCI

struct TagCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tag",
        abstract: "Give an image a further name.",
        discussion: "The name may be another image's: it then names that one no more.")

    @Argument(help: ArgumentHelp("The image: a reference, or the beginning of a digest.", valueName: "image"))
    var image: String

    @Argument(help: ArgumentHelp("The name it gets.", valueName: "reference"), transform: reference)
    var name: Reference

    func run() throws {
        guard name.digest == nil else {
            throw UserError("tag: the name \(name) has a digest; give a name and a tag only")
        }
        let store = try openStore()
        let digest = try store.resolve(image).digest
        guard try store.add(name, to: digest) else { throw ImageStoreError.notFound(image, similar: []) }
    }
}
