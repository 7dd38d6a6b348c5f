/// What is to be done in a repository (Docker's token authentication specification, "Scopes").
struct RepositoryScope: Hashable, Sendable {
    let path: String
    let actions: String

    static func pull(_ path: String) -> RepositoryScope { RepositoryScope(path: path, actions: "pull") }
    static func push(_ path: String) -> RepositoryScope { RepositoryScope(path: path, actions: "pull,push") }

    var text: String { "repository:\(path):\(actions)" }
}
