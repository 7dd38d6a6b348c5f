import NetworkStack

/// What the gateway has of one TCP connection with the guest.
protocol StreamHandler: AnyObject {
    /// Its number in the stack.
    var connection: ConnectionID { get }
    /// Whether it is to be looked at again when others have had their turn.
    var isWaitingForTurn: Bool { get set }
    /// The handshake with the guest is done.
    func established(in loop: GatewayLoop)
    /// There may be something to read, or room to write.
    func work(in loop: GatewayLoop)
    /// The guest has sent its last byte.
    func finished(in loop: GatewayLoop)
    /// The stack knows nothing of it any more.
    func closed(_ reason: CloseReason, in loop: GatewayLoop)
    /// The policy has changed: what may not be any more is ended.
    func judgeAgain(in loop: GatewayLoop)
    /// Ends both sides at once.
    func abort(in loop: GatewayLoop)
}
