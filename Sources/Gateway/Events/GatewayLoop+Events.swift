import NetworkAddress
import SandboxState

extension GatewayLoop {
    /// Records what became of something.
    /// - Parameters:
    ///   - other: the endpoint outside; its port is left out when it is 0.
    ///   - port: another port than that.
    func record(
        _ action: NetworkEvent.Action, _ direction: NetworkEvent.Direction, _ transport: String, _ other: Endpoint,
        port: UInt16? = nil, rule: String, name: DomainName? = nil, detail: String? = nil
    ) {
        var event = NetworkEvent(action, recorder.sandbox, direction, transport)
        event.address = "\(other.address)"
        event.port = (port ?? other.port) == 0 ? nil : port ?? other.port
        event.rule = rule
        event.name = name?.text
        event.detail = detail
        recorder.record(event, at: now)
    }

    /// Records the end of a connection that was let pass.
    func recordEnd(
        _ direction: NetworkEvent.Direction, _ transport: String, _ other: Endpoint, port: UInt16, rule: String,
        name: DomainName?, _ bytesOut: UInt64, _ bytesIn: UInt64
    ) {
        var event = NetworkEvent(.close, recorder.sandbox, direction, transport)
        event.address = "\(other.address)"
        event.port = port
        event.rule = rule
        event.name = name?.text
        (event.bytesOut, event.bytesIn) = (bytesOut, bytesIn)
        recorder.record(event, at: now)
    }

    /// Records a question for a name that was refused.
    func recordName(_ name: DomainName?, rule: String, detail: String? = nil) {
        var event = NetworkEvent(.deny, recorder.sandbox, .egress, "dns")
        event.name = name?.text
        event.rule = rule
        event.detail = detail
        recorder.record(event, at: now)
    }
}
