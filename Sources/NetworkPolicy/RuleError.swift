import ForeignText
import NetworkAddress

extension NetworkPolicy {
    /// Why something is no rule, in one line that says what to write instead.
    public enum RuleError: Error, Hashable, Sendable, CustomStringConvertible {
        case empty
        case tooLong
        case target(String)
        case singleLabel(String)
        case hostBits(String, AddressRange)
        case length(String)
        case brackets(String)
        case wildcard(String)
        case ports(String)
        case portZero
        case tooManyPorts
        case suffix(String)
        case suffixTwice(String)
        case portsOfICMP
        case applicationWithoutTCP(Application)
        case applicationOfIngress
        case nameOfIngress(Target)
        case noDestination(String)

        /// One line.
        public var description: String {
            switch self {
            case .empty: "a rule has no target: write a name, an address, a range or a group, as 'api.example.com:443'"
            case .tooLong: "a rule is longer than \(Rule.maximumText) bytes"
            case .target(let text):
                "'\(text.excerpt(80))' is no name, address, range or group; the groups are \(Self.groups), and everything is 'any'"
            case .singleLabel(let text):
                "'\(text.excerpt(80))' is no group (\(Self.groups)); for a name of one label write '\(text.excerpt(80)).', with a dot at its end"
            case .hostBits(let text, let range): "'\(text.excerpt(80))' has bits after its prefix: write '\(range)'"
            case .length(let text): "'\(text.excerpt(80))' has no length of a prefix after its '/'"
            case .brackets(let text):
                "'\(text.excerpt(80))' is no address of IPv6 in brackets: write it as '[2001:db8::1]:443' or '[2001:db8::/32]:443'"
            case .wildcard(let text):
                "'\(text.excerpt(80))' has a '*' that is not its whole first label: write '*.example.com'"
            case .ports(let text): "'\(text.excerpt(80))' is no list of ports: write '443', '80,443' or '8000-8100'"
            case .portZero: "there is no port 0: write ports from 1 to 65535"
            case .tooManyPorts: "a rule has more than \(Rule.maximumPortRanges) ranges of ports: write several rules"
            case .suffix(let text): "'/\(text.excerpt(80))' is not known: after '/' write tcp, udp, icmp, http or tls"
            case .suffixTwice(let text):
                "'/\(text.excerpt(80))' stands after another one: write one of tcp, udp, icmp, http and tls"
            case .portsOfICMP: "ICMP has no ports: leave them out"
            case .applicationWithoutTCP(let application): "\(application.rawValue) is spoken over TCP only"
            case .applicationOfIngress: "'/http' and '/tls' are for what a sandbox reaches, not for 'ingress:'"
            case .nameOfIngress(let target):
                "'\(target)' is a name, and who comes from outside has none: after 'ingress:' write an address, a range "
                    + "or a group"
            case .noDestination(let text):
                "'\(text.excerpt(80))' is no destination: write one name or address with one port, as 'api.example.com:443', "
                    + "'10.0.0.1:53/udp' or '10.0.0.1/icmp'"
            }
        }

        private static var groups: String { Group.allCases.map(\.rawValue).joined(separator: ", ") }
    }
}
