import Ledger
import Testing

struct MemorySeriesTests {
    @Test("An amount stays until the next reading, and the mean is over time, not over readings")
    func mean() {
        var series = MemorySeries()
        series.add(0, at: 0)
        series.add(400, at: 3)
        series.hold(until: 4)
        #expect(series.mean == 100)
        #expect(series.peak?.bytes == 400)
        #expect(series.peak?.at == 3)
        #expect(series.readings == 2)
    }

    @Test("Time for which nothing was read counts neither as 0 nor as what was read before")
    func gap() {
        var series = MemorySeries()
        series.add(100, at: 0)
        series.add(nil, at: 1)
        series.add(300, at: 9)
        series.hold(until: 10)
        #expect(series.mean == 200)
        #expect(series.peaks(in: 10, until: 10) == [100, nil, nil, nil, nil, nil, nil, nil, nil, 300])
    }

    @Test("Without a reading there is no mean and no peak")
    func nothing() {
        var series = MemorySeries()
        series.add(nil, at: 0)
        series.hold(until: 5)
        #expect(series.mean == nil)
        #expect(series.peak == nil)
        #expect(series.peaks(in: 3, until: 5) == [nil, nil, nil])
    }

    @Test("A day of readings takes no more room than a chart, and keeps its peak and its mean")
    func bounded() {
        var series = MemorySeries()
        var sum = 0.0
        for reading in 0..<864_000 {
            // A spike of one reading, in the afternoon.
            let bytes: Bytes = reading == 600_000 ? 5_000_000 : Bytes(reading % 1000)
            series.add(bytes, at: Double(reading) / 10)
            sum += Double(bytes)
        }
        series.hold(until: 86_400)
        #expect(series.stretches.count <= 2048)
        #expect(series.stretches.count > 512)
        #expect(series.peak?.bytes == 5_000_000)
        #expect(series.peak?.at == 60_000)
        #expect(series.stretches.map(\.peak).max() == 5_000_000)
        #expect(abs(Double(series.mean ?? 0) - sum / 864_000) < 1)
        let longest = zip(series.stretches, series.stretches.dropFirst()).map { $1.start - $0.start }.max() ?? 0
        #expect(longest < 200)
        let hours = series.peaks(in: 24, until: 86_400)
        #expect(hours[16] == 5_000_000)
        #expect(hours[15] == 999)
    }
}
