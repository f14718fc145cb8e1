import Foundation
import Testing

@testable import Ledger

struct ReasonTests {
    static let reasons: [Reason] =
        Reason.Fact.allCases.map { .fact($0) } + [
            .call("nvmlInit_v2", code: 999), .cuda(call: "cuInit", name: "CUDA_ERROR_NO_DEVICE", code: 100),
            .file(path: "/proc/1/cgroup", code: 13), .at(path: "/sys/x", .notFound), .noAnswer(seconds: 0.5),
            .listTooLong(65536), .percent(300), .unreportedByKernel(driver: "msm"), .noLibrary(tried: ["a", "b"]),
            .ofLibrary("libcuda.so.1", "not found"), .missingSymbol(library: "libm.so.6", "nvmlInit_v2"),
            .versionMismatch(module: nil), .versionMismatch(module: "550.1"), .recordsLeftOut(2), .unreadProcesses(83),
            .unreadCgroups(1), .cgroupsAfter(16384), .ofGPU(index: "0:1", .fact(.asleep)),
            .ofClients(.file(path: "/proc", code: 5)), .askedAgain(.noAnswer(seconds: 10), seconds: 30),
            .several([.fact(.notAsked), .other("x")]), .other("in words"),
        ]

    @Test("A recording keeps every reason as it is", arguments: reasons)
    func recorded(_ reason: Reason) throws {
        let bytes = try JSONEncoder().encode([reason])
        #expect(try JSONDecoder().decode([Reason].self, from: bytes) == [reason])
        #expect(Reason(reason.parts) == reason)
    }

    @Test("A sentence of an older recording stays a sentence, and a reason of a later version is none that is known")
    func otherVersions() throws {
        let old = Data(#"{"unavailable":"GPU_IS_LOST (it has fallen off the bus)"}"#.utf8)
        let reading = try JSONDecoder().decode(Reading<Int>.self, from: old)
        #expect(reading == .unknown(.other("GPU_IS_LOST (it has fallen off the bus)")))
        let list = try JSONDecoder().decode(ListReading.self, from: Data(#"{"failed":"UNKNOWN"}"#.utf8))
        #expect(list == .failed(.other("UNKNOWN")))
        let source = Data(#"{"name":"nvml","seconds":0.1,"error":"no driver"}"#.utf8)
        #expect(try JSONDecoder().decode(SourceReport.self, from: source).error == .other("no driver"))
        for later in [#"{"kind":"gravity"}"#, #"{"kind":"call"}"#, #"{"kind":"call","texts":["x"],"number":1e99}"#] {
            let reason = try JSONDecoder().decode(Reason.self, from: Data(later.utf8))
            guard case .other = reason else {
                Issue.record("\(later): \(reason)")
                continue
            }
        }
    }
}
