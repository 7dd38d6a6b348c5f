import ArgumentParser
import SandboxState

/// A condition on sandboxes, from `--filter KEY=VALUE`.
struct SandboxFilter: ExpressibleByArgument, Equatable {
    enum Key: String, CaseIterable {
        /// The start of the id.
        case id
        /// A part of the name.
        case name
        /// `KEY` or `KEY=VALUE`.
        case label
        /// The image as the user wrote it, with or without its tag or digest.
        case image
        case status
    }

    let key: Key
    let value: String

    /// What `--help` says of it.
    static let help: ArgumentHelp = "Only those with id, name, label, image or status so: KEY=VALUE."

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let key = Key(rawValue: String(parts[0])) else { return nil }
        self.key = key
        value = String(parts[1])
        if key == .status, SandboxLife.Status(rawValue: value) == nil { return nil }
    }

    /// Whether the sandbox meets the condition.
    func matches(_ entry: SandboxEntry) -> Bool {
        switch key {
        case .id: entry.record.id.hasPrefix(value)
        case .name: entry.record.name?.contains(value) == true
        case .label: Self.label(value, isAmong: entry.record.labels)
        case .image:
            entry.record.image == value
                || entry.record.image.hasPrefix(value)
                    && ":@".contains(entry.record.image.dropFirst(value.count).prefix(1))
        case .status: entry.life.status.rawValue == value
        }
    }

    /// Whether `KEY` or `KEY=VALUE` is among labels.
    static func label(_ text: String, isAmong labels: [String: String]) -> Bool {
        let key = text.prefix { $0 != "=" }
        guard let value = labels[String(key)] else { return false }
        return key.count == text.count || value == text.dropFirst(key.count + 1)
    }
}

extension [SandboxFilter] {
    /// Whether a sandbox meets these conditions: all labels, and one of each other key.
    func matches(_ entry: SandboxEntry) -> Bool {
        SandboxFilter.Key.allCases.allSatisfy { key in
            let conditions = filter { $0.key == key }
            if key == .label { return conditions.allSatisfy { $0.matches(entry) } }
            return conditions.isEmpty || conditions.contains { $0.matches(entry) }
        }
    }
}
