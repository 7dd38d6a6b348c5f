/// A size with three digits and a decimal unit, as `docker images` prints it, for example `4.43MB`.
public func humanSize(_ bytes: Int64) -> String {
    var value = Double(bytes)
    var units = ["B", "kB", "MB", "GB", "TB"][...]
    while value >= 999.5, units.count > 1 {
        value /= 1000
        units = units.dropFirst()
    }
    let digits = bytes < 1000 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
    let scale = [1.0, 10, 100][digits]
    let rounded = (value * scale).rounded() / scale
    let whole = Int(rounded)
    let fraction = Int(((rounded - Double(whole)) * scale).rounded())
    let tail = digits == 0 ? "" : "." + String(repeating: "0", count: digits - "\(fraction)".count) + "\(fraction)"
    return "\(whole)\(tail)\(units.first ?? "")"
}
