import Testing
import TextLayout

@Suite("A table") struct TableTests {
    @Test("is as wide as its widest cells, and its last column ends with its text")
    func columns() {
        var table = Table("ID", "NAME", "STATUS")
        table.add("abc", "a long name", "running")
        table.add("abcdef", "-", "x")
        #expect("\(table)" == "ID      NAME         STATUS\nabc     a long name  running\nabcdef  -            x")
    }

    @Test("without rows is its headings")
    func empty() { #expect("\(Table("A", "B"))" == "A  B") }
}

@Suite("A duration") struct HumanDurationTests {
    @Test(
        "is told in its largest fitting unit",
        arguments: [
            (0, "less than a second"), (-5, "less than a second"), (1, "1 second"), (59, "59 seconds"),
            (60, "1 minute"), (3599, "59 minutes"), (3600, "1 hour"), (7200, "2 hours"), (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"), (14 * 86_400, "2 weeks"), (60 * 86_400, "2 months"), (730 * 86_400, "2 years"),
            (.min, "less than a second"), (.max, "292471208677 years"),
        ] as [(Int64, String)])
    func units(_ seconds: Int64, _ text: String) { #expect(humanDuration(seconds) == text) }
}

@Suite("A size") struct HumanSizeTests {
    @Test(
        "has three digits and a decimal unit",
        arguments: [
            (0, "0B"), (999, "999B"), (1000, "1.00kB"), (4_430_000, "4.43MB"), (44_300_000, "44.3MB"),
            (443_000_000, "443MB"), (999_600_000, "1.00GB"), (5_000_000_000_000_000, "5000TB"),
        ] as [(Int64, String)])
    func units(_ bytes: Int64, _ text: String) { #expect(humanSize(bytes) == text) }
}

@Suite("A timestamp") struct TimestampTests {
    @Test(
        "is read from RFC 3339",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.5Z", 500_000_000),
            ("1970-01-01t01:00:00+01:00", 0), ("1969-12-31T23:00:00-01:00", nil), ("1970-01-01T00:00:00+00:01", nil),
            ("2000-02-29T12:34:56.000000001Z", 951_827_696_000_000_001),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000_000_000),
            ("1970-01-01 00:00:01-00:30", 1_801_000_000_000),
        ] as [(String, UInt64?)])
    func reading(_ text: String, _ nanoseconds: UInt64?) { #expect(Timestamp(text)?.nanoseconds == nanoseconds) }

    @Test(
        "is not read from anything else",
        arguments: [
            "", "2000", "2000-02-30T00:00:00Z", "2001-02-29T00:00:00Z", "2000-13-01T00:00:00Z", "2000-00-01T00:00:00Z",
            "2000-01-00T00:00:00Z", "2000-01-01T24:00:00Z", "2000-01-01T00:60:00Z", "2000-01-01T00:00:61Z",
            "2000-01-01T00:00:00", "2000-01-01T00:00:00.Z", "2000-01-01T00:00:00.0123456789Z", "2000-01-01T00:00:00Zx",
            "2000-01-01T00:00:00+0100", "2000-01-01T00:00:00+24:00", "9999-01-01T00:00:00Z", "٢٠٠٠-01-01T00:00:00Z",
        ])
    func nonsense(_ text: String) { #expect(Timestamp(text) == nil) }

    @Test(
        "reads back as it was written",
        arguments: [0, 1, 951_827_696_000_000_001, 1_800_000_000_123_456_789] as [UInt64])
    func roundTrip(_ nanoseconds: UInt64) {
        let moment = Timestamp(nanoseconds: nanoseconds)
        #expect(Timestamp("\(moment)") == moment)
    }

    @Test("of the most distant moment is written without a trap")
    func distant() { #expect("\(Timestamp(nanoseconds: .max))" == "2554-07-21T23:34:33.709551615Z") }
}
