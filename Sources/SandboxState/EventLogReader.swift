import LinuxSystem

/// Reads an ``EventLog`` from its oldest event on, while it is being written too.
public struct EventLogReader {
    private var reader: LogLineReader

    /// A reader of the log of a home, which may have none yet.
    public init(_ home: Home) { reader = LogLineReader(path: EventLog(home).path) }

    /// The events that were added since the last call, in order. Lines that are no events are passed over.
    /// - Throws: ``SystemError`` when the log cannot be read.
    public mutating func events() throws(SystemError) -> [EventLog.Event] { EventLog.parse(try reader.lines()) }
}
