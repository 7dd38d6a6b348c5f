extension SandboxMount {
    /// Reads what follows `-v`: `HOST:GUEST` or `HOST:GUEST:ro`. What has no slash and does not begin with a dot is the name
    /// of a volume. Blocks.
    /// - Throws: ``StateError/badMount(_:)``.
    public static func parse(volume text: String) throws(StateError) -> SandboxMount {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { String($0) }
        guard parts.count == 2 || parts.count == 3, !parts[0].isEmpty else {
            throw .badMount("-v \(text): write HOST:GUEST or VOLUME:GUEST, with :ro after it to forbid writing")
        }
        var readOnly = false
        for option in parts.count == 3 ? parts[2].split(separator: ",") : [] {
            switch option {
            case "ro": readOnly = true
            case "rw": readOnly = false
            default: throw .badMount("-v \(text): '\(option)' is no option; there are ro and rw")
            }
        }
        if parts[0].contains("/") || parts[0].hasPrefix(".") {
            return try .host(parts[0], at: parts[1], readOnly: readOnly)
        }
        guard let name = VolumeName(parts[0]) else {
            throw .badMount(
                "-v \(text): '\(parts[0])' is no name of a volume (1 to 63 of A-Z a-z 0-9 _ . -); a path of the host holds a /"
            )
        }
        return try .volume(name, at: parts[1], readOnly: readOnly)
    }

    /// Reads what follows `--tmpfs`: `GUEST`, `GUEST:64m` or `GUEST:size=64m,mode=1777`.
    /// - Throws: ``StateError/badMount(_:)``.
    public static func parse(memory text: String) throws(StateError) -> SandboxMount {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map { String($0) }
        var size: Int64?
        var mode: UInt16 = 0o1777
        var readOnly = false
        for option in parts.count == 2 ? parts[1].split(separator: ",") : [] {
            let (key, value) = pair(option)
            switch (key, value) {
            case ("ro", nil): readOnly = true
            case ("rw", nil), ("nosuid", nil), ("nodev", nil): break
            case ("mode", let value?):
                guard let number = UInt16(value, radix: 8), number <= 0o7777 else {
                    throw .badMount("--tmpfs \(text): '\(value)' is no mode; write it in octal, as 1777")
                }
                mode = number
            case ("size", let value?):
                size = try bytes(value, text)
            case (_, nil):
                size = try bytes(key, text)
            default: throw .badMount("--tmpfs \(text): '\(option)' is no option; there are size, mode, ro and rw")
            }
        }
        return try .memory(at: parts[0], size: size, mode: mode, readOnly: readOnly)
    }

    private static func pair(_ option: Substring) -> (String, String?) {
        let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts[0]), parts.count == 2 ? String(parts[1]) : nil)
    }

    private static func bytes(_ value: String, _ text: String) throws(StateError) -> Int64 {
        guard let size = ByteSize(value) else {
            throw .badMount("--tmpfs \(text): '\(value)' is no size; write for example 64m")
        }
        return size.bytes
    }
}
