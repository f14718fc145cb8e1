import Ledger
import Testing

private let mebibyte: Bytes = 1 << 20

/// Whether what a machine showed is what is assumed: a verdict of values alone.
struct FindingTests {
    private static let first = MemoryCall(total: 1000, used: 300, free: 700)
    private static let second = MemoryCall(total: 1000, used: 200, free: 700, reserved: 100)

    @Test("The parts of both memory calls add up to the byte, and the first counts the reserve as used")
    func memoryCalls() {
        #expect(Finding.memoryCalls([(Self.first, Self.second)]).agrees)
        #expect(Finding.memoryCalls([(Self.first, nil)]).agrees, "a driver before R510")
        var wrong = Self.second
        wrong.reserved = 99
        #expect(
            !Finding.memoryCalls([(Self.first, Self.second), (Self.first, wrong)]).agrees, "one byte, in one reading")
        var early = Self.first
        early.used = 200
        #expect(!Finding.memoryCalls([(early, nil)]).agrees)
    }

    @Test("The reserve is what the other amounts leave, and stays")
    func reserved() {
        var later = Self.second
        (later.used, later.free) = (500, 400)
        #expect(Finding.reserved(before: Self.second, with: later)?.agrees == true)
        (later.reserved, later.free) = (120, 380)
        #expect(Finding.reserved(before: Self.second, with: later)?.agrees == false, "it grew")
        #expect(Finding.reserved(before: Self.first, with: Self.second) == nil, "the first call has none")
    }

    @Test("Records are as long as is assumed; without a record nothing is told")
    func records() {
        func list(_ count: Int, _ written: Int) -> ListRecords {
            ListRecords(function: "f", count: count, bytesWritten: written, assumed: 24)
        }
        #expect(Finding.recordSize([list(3, 72), list(0, 0)])?.agrees == true)
        #expect(Finding.recordSize([list(3, 96)])?.agrees == false)
        #expect(
            Finding.recordSize([list(3, 96)])?.seen == [
                MeasuredValue(.recordSizes, .records([.init(function: "f", bytes: 32)]))
            ]
        )
        #expect(Finding.recordSize([list(0, 0)]) == nil)
    }

    @Test("PIDs: the namespace's own since 535.113, the host's before; a version that is none decides nothing")
    func namespaces() {
        let (own, hosts) = (
            ListedPIDs(listsOwn: true, listsOutside: false), ListedPIDs(listsOwn: false, listsOutside: true)
        )
        #expect(Finding.ownNamespace(own, driver: "580.159.04")?.agrees == true)
        #expect(Finding.ownNamespace(own, driver: "535.104.05")?.agrees == false)
        #expect(Finding.ownNamespace(hosts, driver: "535.104.05")?.agrees == true)
        #expect(Finding.ownNamespace(own, driver: nil) == nil)
        #expect(Finding.ownNamespace(own, driver: "580") == nil)
        #expect(Finding.hostNamespace(ListedPIDs(listsOwn: true, listsOutside: true)).agrees)
        #expect(!Finding.hostNamespace(own).agrees)
    }

    @Test("Memory that is charged, shared, managed and given back")
    func charges() {
        #expect(
            Finding.rounding([
                .init(asked: 1, charged: 2 * mebibyte), .init(asked: 2 * mebibyte, charged: 2 * mebibyte),
            ]).agrees)
        #expect(!Finding.rounding([.init(asked: 1, charged: mebibyte)]).agrees)
        #expect(Finding.context(518 * mebibyte, rise: nil).agrees && !Finding.context(0, rise: nil).agrees)
        #expect(Finding.ipc(size: 256, importer: 0, exporter: 0, rise: 0).agrees)
        #expect(Finding.ipc(size: 256, importer: 256, exporter: 0, rise: 0).agrees, "listed of both, used once")
        #expect(!Finding.ipc(size: 256, importer: 256, exporter: 0, rise: 256).agrees)
        #expect(Finding.managed(size: 256, process: 0, rise: 256).agrees)
        #expect(!Finding.managed(size: 256, process: 256, rise: 256).agrees)
        #expect(!Finding.managed(size: 256, process: 0, rise: 0).agrees, "it is not on the GPU")
        #expect(Finding.killedHolder(unlisted: 0.1, free: 0.2, held: 1).agrees)
        #expect(!Finding.killedHolder(unlisted: 0.1, free: nil, held: 1).agrees, "it never came back")
        #expect(Finding.check(seconds: 0.1, rise: 3 * mebibyte, isListed: false).agrees)
        #expect(!Finding.check(seconds: 0.1, rise: 0, isListed: true).agrees)
        #expect(Finding.accounting(listed: 5, running: 5, ended: 5).agrees)
        #expect(!Finding.accounting(listed: 5, running: 5, ended: nil).agrees)
        #expect(Finding.dmemCharge(charged: 5, listed: 5).agrees && !Finding.dmemCharge(charged: 0, listed: 5).agrees)
    }

    @Test("A tool that lists a process which Plimsoll does not see differs, if Plimsoll sees all")
    func tools() {
        #expect(Finding.tool([0, mebibyte]).agrees && !Finding.tool([0, mebibyte + 1]).agrees)
        #expect(!Finding.tool([0], alone: 1).agrees && Finding.tool([0], alone: 1, seesAll: false).agrees)
        #expect(Finding.tool([.min, .max]).seen.contains(.bytes(.largestDifference, .max)))
    }

    @Test("Sleep: reading wakes nobody, and asking wakes NVIDIA's GPUs alone")
    func waking() {
        #expect(Finding.waking(asleep: [.nvidia, .intel], afterReading: 2, woken: [.nvidia], seconds: 2).agrees)
        #expect(!Finding.waking(asleep: [.nvidia], afterReading: 0, woken: [.nvidia], seconds: 2).agrees)
        #expect(!Finding.waking(asleep: [.amd], afterReading: 1, woken: [.amd], seconds: 2).agrees)
    }

    @Test("A median decides what run costs, and one that took long by chance does not")
    func runCost() {
        #expect(Finding.runCost(alone: [1, 1, 1, 1, 9], watched: [1, 1, 1.05, 9, 9]).agrees)
        #expect(!Finding.runCost(alone: [1, 1, 1], watched: [1, 1.2, 1.2]).agrees)
        #expect(Finding.runCost(alone: [1, 1, 1.3], watched: [1, 1.2, 1.2]).agrees, "as slow as a loop alone")
    }

    @Test("A report: one step that differs is a no, and none that was tried is no answer")
    func verdict() {
        var report = MeasureReport(plimsoll: "1", time: 0)
        #expect(report.verdict == .nothingTried)
        report.results = [MeasuredResult(.mig, .notTried(.missing(.migGPU)), seconds: 0)]
        #expect(report.verdict == .nothingTried)
        report.results.append(MeasuredResult(.context, .tried(Finding(agrees: true, [])), seconds: 0))
        #expect(report.verdict == .agrees)
        report.results.append(MeasuredResult(.ipc, .tried(Finding(agrees: false, [])), seconds: 0))
        #expect(report.verdict == .differs)
    }
}
