import ArgumentParser
import Glibc
import LinuxSystem
import SandboxState

/// `sandpiper prune`: removes images that are not used, or with `--sandboxes` the sandboxes that do not run.
struct Prune: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove images without a name, or all unused ones, or sandboxes that do not run.",
        discussion: """
            Without --sandboxes it is about images, and an image that a sandbox was made from stays. On a terminal you are \
            asked before sandboxes are removed.
            """)

    @Flag(name: .shortAndLong, help: "Images: remove every one that no sandbox was made from, named or not.")
    var all = false
    @Option(help: ArgumentHelp("Images: print text or json.", valueName: "format")) var format: String?
    @Flag(help: "Remove the sandboxes that are stopped, have crashed or were never started.") var sandboxes = false
    @Option(help: "Sandboxes: only those with this label: label=KEY or label=KEY=VALUE.") var filter: [SandboxFilter] =
        []
    @Option(help: "Sandboxes: only those that have been so for this long, for example 24h.") var until: TimeSpan?
    @Flag(name: .shortAndLong, help: "Sandboxes: do not ask.") var force = false

    func validate() throws {
        if sandboxes {
            guard !all, format == nil else {
                throw ValidationError("--all and --format are for images, not --sandboxes")
            }
            guard filter.allSatisfy({ $0.key == .label }) else {
                throw ValidationError("--filter: write label=KEY or label=KEY=VALUE")
            }
        } else {
            guard filter.isEmpty, until == nil, !force else {
                throw ValidationError("--filter, --until and --force go with --sandboxes")
            }
        }
    }

    func run() throws {
        guard sandboxes else {
            let options = (all ? ["--all"] : []) + (format.map { ["--format", $0] } ?? [])
            return try ForwardedCommands.execute("sandpiper-image", ["prune"] + options)
        }
        signal(SIGPIPE, SIG_IGN)
        let home = try Home.current()
        let now = Int64(time(nil))
        let old = try SandboxEntry.all(in: home).filter { isUnused($0, now: now) && filter.matches($0) }
        let question =
            "Remove \(old.count) sandbox\(old.count == 1 ? "" : "es") and all in \(old.count == 1 ? "it" : "them")?"
        guard !old.isEmpty, try force || Confirmation.isGiven(question) else { return }
        var failed = false
        for entry in old {
            do {
                try SandboxRemoval.remove(entry.directory, force: false, in: home)
                print(entry.directory.id)
            } catch let error as any FailureMessage {
                complain(error.description)
                failed = true
            }
        }
        if failed { throw ExitStatusError(code: 1) }
    }

    /// Whether nobody owns the sandbox, and has not for as long as `--until` says.
    private func isUnused(_ entry: SandboxEntry, now: Int64) -> Bool {
        guard !entry.life.isOwned, entry.life.status != .paused else { return false }
        let since = entry.life.ended ?? entry.life.started ?? entry.record.created
        return until.map { now &- since >= $0.milliseconds / 1000 } ?? true
    }
}
