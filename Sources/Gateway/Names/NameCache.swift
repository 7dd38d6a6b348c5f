import DNSMessage

/// Answers of name servers, as they came, for as long as they hold.
struct NameCache {
    /// What an answer answers.
    struct Key: Hashable {
        let question: DNSQuestion
        /// Whether records of DNSSEC are wanted, and unverified ones are taken.
        let (dnssecOK, checkingDisabled): (Bool, Bool)

        init(_ query: DNSMessage, _ question: DNSQuestion) {
            self.question = question
            dnssecOK = query.extensions?.dnssecOK ?? false
            checkingDisabled = query.flags.checkingDisabled
        }
    }

    private struct Entry {
        let answer: DNSMessage
        let (begin, end): (UInt64, UInt64)
    }

    /// Most answers; when there are more, those that have ended go, or else any half.
    private static let most = 4096
    /// For how long an answer is kept at most, in seconds, and one that there is nothing.
    private static let (longest, longestNegative): (UInt32, UInt32) = (86_400, 300)

    private var entries: [Key: Entry] = [:]

    /// An answer that holds, its times as they are now.
    func answer(_ key: Key, at now: UInt64) -> DNSMessage? {
        guard let entry = entries[key], entry.end > now else { return nil }
        return entry.answer.aged(by: UInt32(clamping: (now - entry.begin) / 1_000_000_000))
    }

    /// Keeps an answer, if it may be kept.
    mutating func add(_ answer: DNSMessage, _ key: Key, at now: UInt64) {
        let life: UInt32
        switch answer.flags.code {
        case .noError where !answer.answers.isEmpty: life = min(answer.ttl ?? 0, Self.longest)
        case .noError, .noSuchName: life = min(answer.negativeTTL ?? 0, Self.longestNegative)
        default: return
        }
        guard life > 0 else { return }
        if entries.count >= Self.most {
            entries = entries.filter { $0.value.end > now }
            for key in entries.keys.prefix(max(entries.count - Self.most / 2, 0)) { entries[key] = nil }
        }
        entries[key] = Entry(answer: answer, begin: now, end: now &+ UInt64(life) * 1_000_000_000)
    }
}
