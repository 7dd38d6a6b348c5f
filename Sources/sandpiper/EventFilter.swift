import ArgumentParser
import SandboxState

/// A condition on events, from `--filter KEY=VALUE`.
struct EventFilter: ExpressibleByArgument, Equatable {
    enum Key: String, CaseIterable {
        /// What happened.
        case event
        /// The start of the sandbox's id.
        case id
        /// The sandbox's name.
        case name
    }

    let key: Key
    let value: String

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let key = Key(rawValue: String(parts[0])) else { return nil }
        self.key = key
        value = String(parts[1])
        if key == .event, EventLog.Event.Kind(rawValue: value) == nil { return nil }
    }

    /// Whether the event meets the condition.
    func matches(_ event: EventLog.Event) -> Bool {
        switch key {
        case .event: event.event.rawValue == value
        case .id: event.id.hasPrefix(value)
        case .name: event.name == value
        }
    }
}

extension [EventFilter] {
    /// Whether an event meets one of these conditions of each key.
    func matches(_ event: EventLog.Event) -> Bool {
        EventFilter.Key.allCases.allSatisfy { key in
            let conditions = filter { $0.key == key }
            return conditions.isEmpty || conditions.contains { $0.matches(event) }
        }
    }
}
