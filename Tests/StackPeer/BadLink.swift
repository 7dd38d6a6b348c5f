import Glibc
import NetworkStack

/// A TAP device as the guest of a stack, with what happens to frames on a bad link, the same for the same seed.
final class BadLink: FrameOutput {
    /// Of a thousand frames.
    struct Conditions {
        var lost = 0, late = 0, doubled = 0
    }

    private let device: CInt
    private let conditions: Conditions
    private var state: UInt64
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 65535, alignment: 16)
    /// Frames that are late, and when they go on.
    private var held: [(until: Instant, toGuest: Bool, frame: [UInt8])] = []
    /// Nothing passes any more.
    var isCut = false
    var now = Instant(nanoseconds: 0)

    init(device: CInt, conditions: Conditions, seed: UInt64) {
        self.device = device
        self.conditions = conditions
        state = seed
    }

    func reserve(_ count: Int) -> UnsafeMutableRawBufferPointer? {
        count <= memory.count ? UnsafeMutableRawBufferPointer(rebasing: memory[..<count]) : nil
    }

    func commit(_ count: Int) {
        pass(Array(memory[..<count]), toGuest: true) { _ in }
    }

    /// When a late frame goes on.
    var deadline: Instant? { held.map(\.until).min() }

    /// Takes what the guest has sent, and what of it was late.
    func receive(_ body: ([UInt8]) -> Void) {
        while true {
            let count = read(device, memory.baseAddress, memory.count)
            guard count > 0 else { break }
            pass(Array(memory[..<count]), toGuest: false, body)
        }
        let due = held.filter { $0.until <= now }
        held.removeAll { $0.until <= now }
        for frame in due where !isCut { carry(frame.frame, toGuest: frame.toGuest, body) }
    }

    private func pass(_ frame: [UInt8], toGuest: Bool, _ body: ([UInt8]) -> Void) {
        guard !isCut, !happens(conditions.lost) else { return }
        for _ in 0..<(happens(conditions.doubled) ? 2 : 1) {
            if happens(conditions.late) {
                held.append((now.advanced(by: random() % 20_000_000), toGuest, frame))
            } else {
                carry(frame, toGuest: toGuest, body)
            }
        }
    }

    private func carry(_ frame: [UInt8], toGuest: Bool, _ body: ([UInt8]) -> Void) {
        guard toGuest else { return body(frame) }
        // A device that has no room loses the frame, which is what a bad link does.
        _ = frame.withUnsafeBytes { write(device, $0.baseAddress, $0.count) }
    }

    private func happens(_ chance: Int) -> Bool { chance > 0 && random() % 1000 < UInt64(chance) }

    /// SplitMix64.
    private func random() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
