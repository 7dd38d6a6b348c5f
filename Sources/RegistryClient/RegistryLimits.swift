/// What a registry may ask of this host: time, repetitions and memory. Each has a name, and messages say it.
public struct RegistryLimits: Sendable {
    /// How long a connection may take to come about, TLS included.
    public var connectTime: Duration = .seconds(15)
    /// How long a registry may take from the end of a request to the head of its answer.
    public var responseTime: Duration = .seconds(60)
    /// The same after the bytes of an upload, which some registries copy around before they answer.
    public var commitTime: Duration = .seconds(300)
    /// The slowest transfer, in bytes a second, that is worth waiting for.
    public var minimumRate = 1024
    /// Over which time the rate is measured; so long may a connection stay silent.
    public var rateWindow: Duration = .seconds(30)
    /// How often the same request is sent before its failure counts. Each of a blob's connections that brought
    /// ``meaningfulProgress`` begins to count anew.
    public var attempts = 5
    /// The same where no connection came about and nothing has arrived before.
    public var unreachableAttempts = 2
    /// The same where the registry was too slow, since each such failure takes long.
    public var slowAttempts = 2
    /// How many bytes a broken connection must have brought to be no failure.
    public var meaningfulProgress: Int64 = 1 << 20
    /// The pause before the second attempt; it doubles with each further one, and up to half of it is left to chance.
    public var firstPause: Duration = .milliseconds(500)
    /// The longest pause, whatever the registry's `Retry-After` asks for.
    public var longestPause: Duration = .seconds(60)
    /// How many redirects a request follows.
    public var redirects = 10
    /// The largest answer, in bytes, that is read where something small is expected: errors, tokens.
    public var answerSize = 64 << 10
    /// The largest URL, in bytes, that a registry may send this client to.
    public var addressSize = 8 << 10
    /// How long a credential helper may take.
    public var helperTime: Duration = .seconds(30)

    /// The usual limits.
    public init() {}
}
