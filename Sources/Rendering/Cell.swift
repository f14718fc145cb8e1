import Ledger

/// A table cell: its text, and the marks in it that a legend explains below the table.
package struct Cell: Sendable, Equatable, ExpressibleByStringInterpolation {
    package var text: String
    package var marks: Set<Mark>
    /// The text in JSON and CSV, without marks; nil if it is the same text.
    package var plain: String?

    package init(_ text: String, _ marks: Set<Mark> = [], plain: String? = nil) {
        self.text = text
        self.marks = marks
        self.plain = plain
    }

    package init(stringLiteral text: String) { self.init(text) }

    /// A text from outside this program; unknown if nil.
    package init(_ text: String?) {
        self = text.map { Cell($0) } ?? .unknown
    }

    package static let unknown = Cell(Rendering.unknown, [.unknown])
    /// Of a device's columns in the row of a container that uses no GPU.
    static let notApplicable = Cell(Rendering.unknown, [.notApplicable])
    /// Of the PID inside a container, in the row of a process in the host's PID namespace.
    static let noInsidePID = Cell(Rendering.unknown, [.noInsidePID])

    /// An amount of memory. An incomplete sum gets a `+`.
    static func size(_ bytes: Bytes?, complete: Bool = true) -> Cell {
        guard let bytes else { return .unknown }
        return complete ? Cell(Rendering.size(bytes)) : Cell(Rendering.size(bytes) + "+", [.atLeast])
    }

    /// A part of a whole, in percent.
    static func percent(_ part: Bytes?, of whole: Bytes?) -> Cell {
        let text = Rendering.percent(part, of: whole)
        return part == nil || (whole ?? 0) <= 0 ? .unknown : Cell(text)
    }

    /// A container's name, with a mark if nothing confirms that the cgroup is this container's.
    package static func name(_ name: String, verified: Bool) -> Cell {
        verified ? Cell(name) : Cell("\(name) \(Mark.unverified.text)", [.unverified], plain: name)
    }

    static func + (left: Cell, right: Cell) -> Cell {
        Cell(left.text + right.text, left.marks.union(right.marks))
    }

    /// Cut to a column's width. In a name with a mark, only the name is cut.
    func cut(to width: Int, on page: Page) -> Cell {
        guard columns(text) > width else { return self }
        let short = Mark.unverifiedShort.text
        guard marks.contains(.unverified), width > short.count + 1 else {
            return Cell(Rendering.cut(text, to: width, on: page), marks.subtracting([.unverified]))
        }
        // By scalars: a name can end in one that Swift joins to the space that follows (U+0D4E).
        let name = String(text.unicodeScalars.dropLast(Mark.unverified.text.unicodeScalars.count + 1))
        let cut = Rendering.cut(name, to: width - short.count - 1, on: page)
        return Cell("\(cut) \(short)", marks.subtracting([.unverified]).union([.unverifiedShort]))
    }
}

/// A word or sign that a legend explains below the table in which it occurs, in this order.
package enum Mark: String, Sendable, CaseIterable {
    case unknown, notApplicable, noInsidePID, atLeast, unverified, unverifiedShort, gone, hidden, mpsServer, instances,
        unattributed
    case overlap, contradictory, reserved, freeOrUnreported, carveout, otherHostUse, lost, ownContainer

    /// The mark as a table shows it.
    var text: String {
        switch self {
        case .unknown, .notApplicable, .noInsidePID: Rendering.unknown
        case .atLeast: "+"
        case .unverified: "(unverified)"
        case .unverifiedShort: "(?)"
        case .gone: "(gone)"
        case .hidden: "(hidden)"
        case .mpsServer: "(MPS server)"
        case .instances: "(in its instances)"
        case .unattributed: "(unattributed)"
        case .overlap: "(overlap or change)"
        case .contradictory: "(contradictory)"
        case .reserved: "(reserved)"
        case .freeOrUnreported: "(free or unknown)"
        case .carveout: "(carve-out)"
        case .otherHostUse: "(other host use)"
        case .lost: "(lost)"
        case .ownContainer: "(this container)"
        }
    }

    private var meaning: String { String(line.dropFirst(text.count + 2)) }

    /// The legend: the words of docs/glossary.md.
    private var line: String {
        switch self {
        case .unknown: "--  unknown"
        case .notApplicable: "--  not applicable: this container uses no GPU"
        case .noInsidePID: "--  not applicable: this process is in the PID namespace of the host"
        case .atLeast: "+  at least this much: the driver does not report the rest"
        case .unverified:
            "(unverified)  may be another container: no engine confirms it"
        case .unverifiedShort:
            "(?)  may be another container: no engine confirms it"
        case .gone: "(gone)  the driver lists this process, but the process no longer exists"
        case .hidden:
            "(hidden)  the driver lists this process, but it is not visible from here; run plimsoll on the host as root"
        case .mpsServer: "(MPS server)  memory of the MPS server itself; its clients have rows of their own"
        case .instances:
            "(in its instances)  used inside the MIG instances of this GPU; see the ledger of each instance"
        case .unattributed: "(unattributed)  used memory that no listed process accounts for"
        case .overlap:
            "(overlap or change)  the rows above differ from the used memory: shared memory is counted more than once, or the use changed during the reading"
        case .contradictory:
            "(contradictory)  total minus free minus used; the driver's figures, below, contradict each other"
        case .reserved: "(reserved)  kept by the driver and the firmware for themselves"
        case .freeOrUnreported: "(free or unknown)  the driver reports only what these processes use"
        case .carveout:
            "(carve-out)  the part of the rows above that lies in memory the firmware reserved from host RAM"
        case .otherHostUse: "(other host use)  host RAM that is in use, but not by this GPU"
        case .lost: "(lost)  the driver does not answer for this GPU; what containers hold there is unknown"
        case .ownContainer:
            "(this container)  the container that plimsoll runs in; its name is unknown, because no engine answers here"
        }
    }

    /// The meaning of `--` in a table where it also means "not applicable".
    private var meaningBesideUnknown: String? {
        switch self {
        case .notApplicable: "unknown, or not applicable: a container that uses no GPU"
        case .noInsidePID: "unknown, or not applicable: PID INSIDE of a process in the PID namespace of the host"
        default: nil
        }
    }

    /// The lines below a table, after an empty line; none if there is nothing to explain.
    package static func legend(for marks: Set<Mark>, on page: Page) -> [String] {
        var marks = marks
        // Both forms of a mark are explained together.
        let hasBoth = marks.isSuperset(of: [.unverified, .unverifiedShort])
        if hasBoth { marks.remove(.unverifiedShort) }
        // No table has both kinds of "not applicable".
        let inapplicable =
            marks.contains(.unknown) ? allCases.first { marks.contains($0) && $0.meaningBesideUnknown != nil } : nil
        if let inapplicable { marks.remove(inapplicable) }
        let lines = allCases.filter(marks.contains).map { mark in
            (
                hasBoth && mark == .unverified ? "\(mark.text), \(Mark.unverifiedShort.text)" : mark.text,
                mark == .unknown ? inapplicable?.meaningBesideUnknown ?? mark.meaning : mark.meaning
            )
        }
        return lines.isEmpty ? [] : [""] + lines.flatMap { explained($0, as: $1, on: page) }
    }

    private static func explained(_ text: String, as meaning: String, on page: Page) -> [String] {
        let line = "\(text)  \(meaning)"
        guard let width = page.width, columns(line) > width else { return [line] }
        let indent = columns(text) + 2
        // If there is no space for words beside the mark, the mark gets a line of its own.
        guard width - indent >= 16 else { return [cut(text, to: width, on: page)] + paragraph(meaning, on: page) }
        let rest = paragraph(meaning, on: page.narrowed(by: indent))
        return rest.enumerated().map { ($0 == 0 ? "\(text)  " : String(repeating: " ", count: indent)) + $1 }
    }
}
