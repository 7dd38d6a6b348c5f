import NetworkAddress

/// The two ends of a connection.
struct TCPFlow: Hashable {
    var guest: Endpoint
    var peer: Endpoint
}

/// One connection (the transmission control block of RFC 9293 section 3.3.1). It has no memory of buffers while nothing
/// is in them.
final class TCPConnection {
    /// RFC 9293 section 3.3.2, and what lies before and after it.
    enum State {
        /// The guest's SYN has come, the gateway has not decided.
        case requested
        case synReceived, synSent, established, finWait1, finWait2, closing, closeWait, lastAck
        /// Over on the wire; bytes are left to be read.
        case drained(CloseReason)
    }

    let id: ConnectionID
    let flow: TCPFlow
    var state: State

    // What goes to the guest.
    let initialSequence: SequenceNumber
    /// The first number that is not acknowledged.
    var unacknowledged: SequenceNumber
    /// The next to send; goes back when a time-out makes everything be sent again.
    var next: SequenceNumber
    /// The end of what was ever sent.
    var highest: SequenceNumber
    /// The number of the first byte of `output`.
    var outputStart: SequenceNumber
    var output = RingBuffer()
    /// How far the guest's window reaches from `unacknowledged`.
    var window = 0
    var largestWindow = 0
    var windowSequence = SequenceNumber(0)
    var windowAcknowledgement = SequenceNumber(0)
    /// How the guest's windows are scaled.
    var guestScale: UInt8 = 0
    /// The most bytes of a segment, without options.
    var maximumSegment = 536
    /// Whether FIN follows what is in `output`.
    var wantsFinish = false
    /// The end of a write that filled all the room it got is held back for the next one, this long.
    var heldUntil: Instant?

    // Congestion (RFC 5681, RFC 6582, RFC 6675).
    var congestionWindow = 0
    var slowStartThreshold = Int.max / 2
    var duplicates = 0
    /// The end of what was sent when a loss was seen; its recovery lasts until that is acknowledged.
    var recovery: SequenceNumber?
    /// Where the next retransmission of the recovery begins.
    var retransmission: SequenceNumber
    /// A retransmission goes out whatever else is under way.
    var mustRetransmit = false
    /// What the guest has received out of order.
    var selected = SequenceRanges()

    // Round trips (RFC 6298), in nanoseconds.
    var smoothedRoundTrip: UInt64?
    var roundTripVariation: UInt64 = 0
    var retransmissionTimeout: UInt64 = .seconds(1)
    var backoff = 0
    /// A segment whose acknowledgement is timed: its end, and when it was sent.
    var timed: (end: SequenceNumber, sent: Instant)?

    // What comes from the guest.
    var guestInitialSequence = SequenceNumber(0)
    /// The next number that is expected.
    var expected = SequenceNumber(0)
    /// The end of the widest window that was announced.
    var announced = SequenceNumber(0)
    /// How our windows are scaled; 0 when the guest does not.
    var ownScale: UInt8 = 0
    var input = RingBuffer()
    /// What lies in `input` behind its last byte.
    var early = SequenceRanges()
    /// Where the newest bytes out of order are.
    var newestEarly = SequenceNumber(0)
    /// The number of the guest's FIN, when it has come before what precedes it.
    var earlyFinish: SequenceNumber?
    var hasFinished = false
    /// Bytes that came since the last acknowledgement.
    var unacknowledgedInput = 0
    var mustAcknowledge = false
    /// The last window announced was so small that the guest may be waiting.
    var announcedLittle = false

    // Options that both want.
    var usesSelective = false
    var usesTimestamps = false
    /// Added to the clock, so that the guest does not learn it.
    let timestampOffset: UInt32
    /// The guest's newest timestamp, to be echoed, and when it came (RFC 7323 section 4.3).
    var recentTimestamp: UInt32 = 0
    var recentTimestampAge = Instant(nanoseconds: 0)
    var lastAcknowledgement = SequenceNumber(0)

    // Time.
    var acknowledgementDeadline: Instant?
    var retransmissionDeadline: Instant?
    /// When the guest's closed window is tried.
    var probeDeadline: Instant?
    /// When what is left unread is given up.
    var drainDeadline: Instant?
    var keepAlive: KeepAlive?
    /// When the guest last sent something acceptable.
    var heard: Instant
    /// When data last got through, or, with nothing under way, was sent.
    var progress: Instant
    /// What the timer queue has for this connection.
    var scheduled: Instant?

    // What the gateway was told.
    var toldReadable = false
    var wantsWritable = false
    /// It stands in the line of those that wait for the link.
    var isWaiting = false
    /// It stands among those that wait for memory.
    var isStarved = false

    struct KeepAlive {
        var idle: UInt64
        var interval: UInt64
        var count: Int
        var sent = 0
        /// The link was full.
        var notBefore = Instant(nanoseconds: 0)
    }

    init(
        id: ConnectionID, flow: TCPFlow, state: State, initialSequence: SequenceNumber, timestampOffset: UInt32,
        at now: Instant
    ) {
        self.id = id
        self.flow = flow
        self.state = state
        self.initialSequence = initialSequence
        self.timestampOffset = timestampOffset
        unacknowledged = initialSequence
        next = initialSequence
        highest = initialSequence
        outputStart = initialSequence + 1
        retransmission = initialSequence
        heard = now
        progress = now
    }

    /// The number behind the last byte of `output`, which is that of FIN.
    var outputEnd: SequenceNumber { outputStart + output.count }

    /// The number of segments without data: behind everything that was sent, so that a guest that has it all takes them
    /// even while some is sent again; but within its window.
    var bareSequence: SequenceNumber {
        let end = unacknowledged + window
        return highest > end + (1 << Int(guestScale)) ? end : highest
    }

    /// Whether FIN was sent.
    var hasSentFinish: Bool { wantsFinish && highest > outputEnd }

    /// Whether data may go to the guest.
    var sends: Bool {
        switch state {
        case .established, .closeWait, .finWait1, .closing, .lastAck: true
        default: false
        }
    }

    /// Whether bytes of the guest are expected.
    var receives: Bool {
        switch state {
        case .established, .finWait1, .finWait2: !hasFinished
        default: false
        }
    }

    /// The most bytes that go into one segment.
    var segmentLimit: Int { maximumSegment - (usesTimestamps ? 12 : 0) }

    /// How much is on its way, as far as is known (RFC 6675 section 4).
    var underWay: Int {
        var count = next - unacknowledged
        if !selected.isEmpty {
            count -= selected.byteCount
            // In a recovery, what lies before the last selected byte and was not sent again is lost.
            if recovery != nil, let last = selected.last {
                var place = SequenceNumber.later(retransmission, unacknowledged)
                while place < last.end, let gap = selected.gap(from: place) {
                    count -= gap.count
                    place = gap.end
                }
            }
        }
        return max(0, count)
    }
}
