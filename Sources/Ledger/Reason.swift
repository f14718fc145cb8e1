/// Why something is unknown. A value, so that code never inspects a sentence; `Rendering` words it.
package indirect enum Reason: Sendable, Hashable {
    case fact(Fact)
    /// A function of a vendor's library failed: its name, and the code (for NVIDIA an nvmlReturn_t of nvml.h).
    case call(String, code: Int32)
    /// A function of the CUDA driver failed: its name, that of the error, and the CUresult.
    case cuda(call: String, name: String, code: Int32)
    /// A file or folder that cannot be read, and the error number (errno(3)), or `notRegular`.
    case file(path: String, code: Int32)
    /// What is wrong with a file or folder.
    case at(path: String, Fact)
    /// The driver did not answer in this time.
    case noAnswer(seconds: Double)
    /// A process list of this length.
    case listTooLong(Int)
    /// A utilization that cannot be.
    case percent(Int)
    /// The kernel's driver, by its name, does not report what a process has.
    case unreportedByKernel(driver: String)
    /// The driver's library was not found: what was tried, and what the loader said of each.
    case noLibrary(tried: [String])
    /// A library of the driver was not loaded, and what the loader said.
    case ofLibrary(String, String)
    /// A library that lacks a function which each of its versions has.
    case missingSymbol(library: String, String)
    /// The driver's library and its kernel module are of different versions; that of the module if it is known.
    case versionMismatch(module: String?)
    case ofGPU(index: String, Reason)
    case ofClients(Reason)
    /// It failed for this reason, and is not asked again before this time has passed.
    case askedAgain(Reason, seconds: Double)
    /// Of the driver's list: this many records had a PID that no process can have.
    case recordsLeftOut(Int)
    /// The open files of this many processes could not be read.
    case unreadProcesses(Int)
    /// This many cgroups could not be read.
    case unreadCgroups(Int)
    /// The rest of the cgroups after this many were not read.
    case cgroupsAfter(Int)
    case several([Reason])
    /// A sentence from another module, or from a recording of an earlier version.
    case other(String)

    /// Used as the error number of something that is not a regular file. No errno is this large.
    package static let notRegular: Int32 = 4096

    package enum Fact: String, Sendable, Hashable, Codable, CaseIterable {
        case notAsked, noOwnMemory, noTotal, noRenderNode, notInSysfs, noDeviceFile
        case noComputeList, noProcessLists, listLongerThanSaid, unknownRecordLength, impossiblePIDs, listsNobody
        case listFull
        case noSize, noNodeNumber, noComputeUtilization, asleep, ofWholeGPU, sumOfProcesses, needsPerfmon
        case filesSilent, notUnderstood, answerNotUnderstood, otherDevice, notFound, outsideView, cgroupNotRead
        case noCgroups, sharedInstance, implausibleAmounts, contradictoryAmounts, hostMemoryUnreadable
        case ownIDShared
        // Recordings have the raw values of version 0.1.
        case notReported = "notTold"
        case unreportedOnWSL = "untoldOnWSL"
        case unreportedOnMIG = "untoldOnMIG"
        case unreportedProcess = "untoldProcess"
        case ownIDUnknown = "ownIDUntold"
    }

    package static func several(of reasons: [Reason]) -> Reason? {
        reasons.count < 2 ? reasons.first : .several(reasons)
    }

    /// There is no such file.
    package var isAbsence: Bool {
        switch self {
        // ENOENT and ENOTDIR of errno(3).
        case .file(_, let code): [2, 20].contains(code)
        case .at(_, .notFound): true
        default: false
        }
    }

    /// The first reason, without the GPU or library that it is about.
    package var first: Reason {
        switch self {
        case .several(let reasons): reasons.first?.first ?? self
        case .ofGPU(_, let reason), .ofClients(let reason): reason.first
        default: self
        }
    }

    package var bounded: Reason {
        func short(_ text: String) -> String { text.capped(at: TextLimit.message) }
        return switch self {
        case .fact, .noAnswer, .listTooLong, .percent, .recordsLeftOut, .unreadProcesses, .unreadCgroups,
            .cgroupsAfter:
            self
        case .call(let name, let code): .call(short(name), code: code)
        case .cuda(let call, let name, let code): .cuda(call: short(call), name: short(name), code: code)
        case .file(let path, let code): .file(path: short(path), code: code)
        case .at(let path, let fact): .at(path: short(path), fact)
        case .unreportedByKernel(let driver): .unreportedByKernel(driver: short(driver))
        case .noLibrary(let tried): .noLibrary(tried: tried.prefix(16).map(short))
        case .ofLibrary(let library, let why): .ofLibrary(short(library), short(why))
        case .missingSymbol(let library, let symbol): .missingSymbol(library: short(library), short(symbol))
        case .versionMismatch(let module): .versionMismatch(module: module.map(short))
        case .ofGPU(let index, let reason): .ofGPU(index: short(index), reason.bounded)
        case .ofClients(let reason): .ofClients(reason.bounded)
        case .askedAgain(let reason, let seconds): .askedAgain(reason.bounded, seconds: seconds)
        case .several(let reasons): .several(reasons.prefix(CountLimit.devices).map(\.bounded))
        case .other(let text): .other(short(text))
        }
    }
}

extension Reason {
    /// A foreign sentence on one line: a recording may contain anything.
    var onOneLine: Reason {
        switch self {
        case .other(let text):
            let lines = text.split(whereSeparator: \.isNewline).map { String($0.drop { $0 == " " }) }
            return .other(lines.joined(separator: " ").cleaned)
        case .ofGPU(let index, let reason): return .ofGPU(index: index, reason.onOneLine)
        case .ofClients(let reason): return .ofClients(reason.onOneLine)
        case .askedAgain(let reason, let seconds): return .askedAgain(reason.onOneLine, seconds: seconds)
        case .several(let reasons): return .several(reasons.map(\.onOneLine))
        default: return self
        }
    }

    /// A reason as recordings and children have it.
    package struct Parts: Codable, Sendable, Equatable {
        package var kind: String
        /// Names, paths and facts.
        package var texts: [String]?
        package var number: Double?
        package var reasons: [Reason]?

        package init(_ kind: String, _ texts: [String]? = nil, number: Double? = nil, reasons: [Reason]? = nil) {
            self.kind = kind
            self.texts = texts
            self.number = number
            self.reasons = reasons
        }
    }

    package var parts: Parts {
        switch self {
        case .fact(let fact): Parts("fact", [fact.rawValue])
        case .call(let name, let code): Parts("call", [name], number: Double(code))
        case .cuda(let call, let name, let code): Parts("cuda", [call, name], number: Double(code))
        case .file(let path, let code): Parts("file", [path], number: Double(code))
        case .at(let path, let fact): Parts("at", [path, fact.rawValue])
        case .noAnswer(let seconds): Parts("noAnswer", number: seconds)
        case .listTooLong(let count): Parts("listTooLong", number: Double(count))
        case .percent(let percent): Parts("percent", number: Double(percent))
        case .unreportedByKernel(let driver): Parts("untoldByKernel", [driver])
        case .noLibrary(let tried): Parts("noLibrary", tried)
        case .ofLibrary(let library, let why): Parts("ofLibrary", [library, why])
        case .missingSymbol(let library, let symbol): Parts("missingSymbol", [library, symbol])
        case .versionMismatch(let module): Parts("versionMismatch", module.map { [$0] })
        case .ofGPU(let index, let reason): Parts("ofGPU", [index], reasons: [reason])
        case .askedAgain(let reason, let seconds): Parts("askedAgain", number: seconds, reasons: [reason])
        case .ofClients(let reason): Parts("ofClients", reasons: [reason])
        case .recordsLeftOut(let count): Parts("recordsLeftOut", number: Double(count))
        case .unreadProcesses(let count): Parts("unreadProcesses", number: Double(count))
        case .unreadCgroups(let count): Parts("unreadCgroups", number: Double(count))
        case .cgroupsAfter(let count): Parts("cgroupsAfter", number: Double(count))
        case .several(let reasons): Parts("several", reasons: reasons)
        case .other(let text): Parts("other", [text])
        }
    }

    /// nil if these are the parts of no reason that is known here.
    package init?(_ parts: Parts) {
        let texts = parts.texts ?? []
        let text = texts.first
        let number = parts.number.flatMap { Int(exactly: $0) }
        let code = number.flatMap { Int32(exactly: $0) }
        let reason = parts.reasons?.first
        var found: Reason?
        switch parts.kind {
        case "fact": found = text.flatMap(Fact.init).map { .fact($0) }
        case "call": if let text, let code { found = .call(text, code: code) }
        case "cuda": if texts.count == 2, let code { found = .cuda(call: texts[0], name: texts[1], code: code) }
        case "file": if let text, let code { found = .file(path: text, code: code) }
        case "at": if texts.count == 2 { found = Fact(rawValue: texts[1]).map { .at(path: texts[0], $0) } }
        case "noAnswer": found = parts.number.map { .noAnswer(seconds: $0) }
        case "listTooLong": found = number.map { .listTooLong($0) }
        case "percent": found = number.map { .percent($0) }
        case "untoldByKernel": found = text.map { .unreportedByKernel(driver: $0) }
        case "noLibrary": found = .noLibrary(tried: texts)
        case "ofLibrary": if texts.count == 2 { found = .ofLibrary(texts[0], texts[1]) }
        case "missingSymbol": if texts.count == 2 { found = .missingSymbol(library: texts[0], texts[1]) }
        case "versionMismatch": found = .versionMismatch(module: text)
        case "ofGPU": if let text, let reason { found = .ofGPU(index: text, reason) }
        case "askedAgain": if let reason, let seconds = parts.number { found = .askedAgain(reason, seconds: seconds) }
        case "ofClients": found = reason.map { .ofClients($0) }
        case "recordsLeftOut": found = number.map { .recordsLeftOut($0) }
        case "unreadProcesses": found = number.map { .unreadProcesses($0) }
        case "unreadCgroups": found = number.map { .unreadCgroups($0) }
        case "cgroupsAfter": found = number.map { .cgroupsAfter($0) }
        case "several": found = parts.reasons.map { .several($0) }
        case "other": found = text.map { .other($0) }
        default: break
        }
        guard let found else { return nil }
        self = found
    }
}

extension Reason: Codable {
    /// Recordings of version 0.1.0 have sentences.
    package init(from decoder: any Decoder) throws {
        if let text = try? decoder.singleValueContainer().decode(String.self) {
            self = .other(text)
        } else {
            // Of a later version, it may be one that is not known here.
            let parts = try? Parts(from: decoder)
            self = parts.flatMap { Reason($0) } ?? .other("a reason that this version of plimsoll does not know")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        if case .other(let text) = self {
            var container = encoder.singleValueContainer()
            try container.encode(text)
        } else {
            try parts.encode(to: encoder)
        }
    }
}
