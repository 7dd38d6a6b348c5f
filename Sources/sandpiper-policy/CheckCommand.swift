import ArgumentParser
import NetworkPolicy

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Say whether a file is a policy, and what it amounts to.",
        discussion: "Rules that no connection can reach, since an earlier one has all of theirs, are pointed out.")

    @OptionGroup var source: PolicySource

    func run() throws {
        let policy = try source.read()
        print(
            "\(policy.rules.count) \(policy.rules.count == 1 ? "rule" : "rules"); else egress: \(policy.egress.rawValue), "
                + "ingress: \(policy.ingress.rawValue)")
        print(
            policy.resolvesEveryName
                ? "names: all are resolved"
                : policy.usesNames ? "names: only those allowed" : "names: none are resolved")
        for (index, rule) in policy.rules.enumerated() {
            guard let earlier = policy.rules[..<index].firstIndex(where: { $0.includes(rule) }) else { continue }
            print(
                "rule \(index + 1) (\(rule.action.rawValue) \(rule)) is never reached: rule \(earlier + 1) "
                    + "(\(policy.rules[earlier].action.rawValue) \(policy.rules[earlier])) has all of it")
        }
    }
}
