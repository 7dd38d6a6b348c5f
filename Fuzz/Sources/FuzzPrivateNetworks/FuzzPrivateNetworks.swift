import NetworkAddress
import NetworkStack
import SandboxState

/// What gateways send each other and their guests send into a private network: a greeting, then packets. Each begins with
/// a byte that says who sends it and how long it waits, and two with its length. What passes must be of a flow that was
/// added, and an answer must be a packet for whoever is answered.
@c(LLVMFuzzerTestOneInput)
public func fuzzPrivateNetworks(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeRawBufferPointer(start: bytes, count: count)
    if let sender = MemberGreeting.sender(input) {
        let again = MemberGreeting.message(from: sender).withUnsafeBytes { MemberGreeting.sender($0) }
        precondition(again?.description == sender.description)
    }
    var table = FlowTable<UInt8>()
    var added: Set<ForwardedFlow> = []
    var (now, place) = (UInt64(0), 0)
    while place + 3 <= input.count {
        let (head, length) = (input[place], Int(input[place + 1]) << 8 | Int(input[place + 2]))
        let end = min(place + 3 + length, input.count)
        let message = UnsafeRawBufferPointer(rebasing: input[(place + 3)..<end])
        place = end
        now += UInt64(head >> 1) * 1_000_000_000
        guard let packet = ForwardedPacket(message) else { continue }
        let fromGuest = head & 1 == 0
        switch table.note(packet, fromGuest: fromGuest, at: now) {
        case .known: precondition(!added.isEmpty)
        case .first(let flow):
            let (guest, peer) =
                fromGuest ? (packet.source, packet.destination) : (packet.destination, packet.source)
            precondition(flow.guest.address == guest && flow.peer.address == peer)
            table.add(flow, packet, fromGuest: fromGuest, head, at: now)
            added.insert(flow)
        case .stray, .unsupported:
            for refusal in [Refusal.reset, .prohibited, .hostUnreachable] {
                guard let answer = packet.answer(refusal, to: message) else { continue }
                let read = answer.withUnsafeBytes { ForwardedPacket($0) }
                precondition(read?.source == packet.destination && read?.destination == packet.source)
            }
        }
        if head & 7 == 7 { for (flow, _) in table.expire(at: now) { precondition(added.contains(flow)) } }
        precondition(table.count <= added.count && table.peersCount <= table.count)
    }
    for (flow, state, _) in table.all {
        for forGuest in [true, false] {
            guard let reset = state.reset(flow, forGuest: forGuest) else { continue }
            let read = reset.withUnsafeBytes { ForwardedPacket($0) }
            precondition(read?.destination == (forGuest ? flow.guest : flow.peer).address)
        }
    }
    return 0
}
