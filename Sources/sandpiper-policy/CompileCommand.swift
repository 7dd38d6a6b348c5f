import ArgumentParser

struct CompileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compile",
        abstract: "Print a policy in the form in which records keep it.",
        discussion: "It is one line of JSON, which every command and the API take as well.")

    @OptionGroup var source: PolicySource

    func run() throws { print(try json(source.read())) }
}
