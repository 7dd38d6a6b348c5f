import NetworkAddress

/// The header of an Ethernet frame (IEEE 802.3 clause 3), and the types of what follows it.
enum Ethernet {
    static let headerLength = 14
    static let ipv4: UInt16 = 0x0800
    static let arp: UInt16 = 0x0806
    static let ipv6: UInt16 = 0x86DD
}

extension NetworkStack {
    /// Takes a frame apart: from the guest, to the gateway or to all.
    func receiveFrame(_ frame: PacketBytes, at now: Instant) {
        let destination = frame.mac(0)
        guard frame.count > Ethernet.headerLength, frame.count <= Ethernet.headerLength + mtu,
            frame.mac(6) == configuration.guestMAC,
            destination == configuration.gatewayMAC || destination.isMulticast
        else {
            ignoredFrames += 1
            return
        }
        let content = frame.part(Ethernet.headerLength)
        switch frame.u16(12) {
        case Ethernet.ipv4: receiveIPv4(content, at: now)
        case Ethernet.ipv6: receiveIPv6(content, at: now)
        case Ethernet.arp: receiveARP(content, at: now)
        default: ignoredFrames += 1
        }
    }

    /// Lays down a frame for the guest with `count` bytes behind its header, which `body` writes from the offset that it
    /// is given. When the link is full the frame waits, as long as not too many do; whether it was sent or waits.
    @discardableResult
    func send(type: UInt16, count: Int, _ body: (FrameBytes, Int) -> Void) -> Bool {
        let length = Ethernet.headerLength + count
        if waitingFrames.isEmpty, layFrame(type: type, length: length, body) { return true }
        guard waitingFrameBytes + length <= limits.waitingFrameBytes else { return false }
        var frame = [UInt8](repeating: 0, count: length)
        frame.withUnsafeMutableBytes {
            let frame = FrameBytes($0)
            writeHeader(of: frame, type: type)
            body(frame, Ethernet.headerLength)
        }
        waitingFrames.append(frame)
        waitingFrameBytes += length
        return true
    }

    /// Lays down a frame of `length` bytes, if the link has room.
    @inline(__always)
    func layFrame(type: UInt16, length: Int, _ body: (FrameBytes, Int) -> Void) -> Bool {
        guard !isLinkFull else { return false }
        guard let memory = output.reserve(length), memory.count >= length else {
            isLinkFull = true
            return false
        }
        let frame = FrameBytes(memory)
        writeHeader(of: frame, type: type)
        body(frame, Ethernet.headerLength)
        output.commit(length)
        return true
    }

    /// Lays down a frame that has waited.
    func lay(_ frame: [UInt8]) -> Bool {
        guard let memory = output.reserve(frame.count), memory.count >= frame.count else {
            isLinkFull = true
            return false
        }
        frame.withUnsafeBytes { FrameBytes(memory).copy($0, to: 0) }
        output.commit(frame.count)
        return true
    }

    private func writeHeader(of frame: FrameBytes, type: UInt16) {
        frame.set(0, configuration.guestMAC)
        frame.set(6, configuration.gatewayMAC)
        frame.set(12, type)
    }

    /// Whether the guest may find this address on its link: not its own, so that it does not believe it is taken.
    func isNeighbour(_ address: IPAddress) -> Bool {
        guard !configuration.guestAddresses.contains(address) else { return false }
        return configuration.gatewayAddresses.contains(address)
            || configuration.localRanges.contains { $0.contains(address) }
    }
}
