import Ledger

/// What a table shows in one place: its text, and which marks are in it that a legend explains.
package struct Cell: Sendable, Equatable, ExpressibleByStringInterpolation {
    package var text: String
    package var marks: Set<Mark>
    /// What programs read in JSON instead of a text with a mark; nil if it is the text.
    package var plain: String?

    package init(_ text: String, _ marks: Set<Mark> = [], plain: String? = nil) {
        self.text = text
        self.marks = marks
        self.plain = plain
    }

    package init(stringLiteral text: String) { self.init(text) }

    /// A text of others, or unknown.
    package init(_ text: String?) {
        self = text.map { Cell($0) } ?? .unknown
    }

    package static let unknown = Cell(Rendering.unknown, [.unknown])

    /// An amount of memory. One that is not whole has a `+` behind it.
    static func size(_ bytes: Bytes?, complete: Bool = true) -> Cell {
        guard let bytes else { return .unknown }
        return complete ? Cell(Rendering.size(bytes)) : Cell(Rendering.size(bytes) + "+", [.atLeast])
    }

    /// A part of a whole, in percent.
    static func percent(_ part: Bytes?, of whole: Bytes?) -> Cell {
        let text = Rendering.percent(part, of: whole)
        return part == nil || (whole ?? 0) <= 0 ? .unknown : Cell(text)
    }

    /// A container's name, with the mark if it is undecided whether what it holds is its own.
    package static func name(_ name: String, verified: Bool) -> Cell {
        verified ? Cell(name) : Cell("\(name) \(Mark.unverified.text)", [.unverified], plain: name)
    }

    static func + (left: Cell, right: Cell) -> Cell {
        Cell(left.text + right.text, left.marks.union(right.marks))
    }

    /// Cut to a column: of a name with a mark the name is cut, before the mark.
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

/// What a legend explains below a table in which it occurs, in this order.
package enum Mark: String, Sendable, CaseIterable {
    case unknown, atLeast, unverified, unverifiedShort, gone, hidden, carveout, mpsServer, overlap, contradictory, lost
    case ownContainer

    var text: String {
        switch self {
        case .unknown: Rendering.unknown
        case .atLeast: "+"
        case .unverified: "(unverified)"
        case .unverifiedShort: "(?)"
        case .gone: "(gone)"
        case .hidden: "(hidden)"
        case .carveout: "(set aside)"
        case .mpsServer: "(MPS server)"
        case .overlap: "(overlap or change)"
        case .contradictory: "(contradictory)"
        case .lost: "(lost)"
        case .ownContainer: "(this container)"
        }
    }

    private var meaning: String { String(line.dropFirst(text.count + 2)) }

    private var line: String {
        switch self {
        case .unknown: "--  unknown"
        case .atLeast: "+  at least: the driver does not tell all of it"
        case .unverified: "(unverified)  it may be another container: nothing confirms that it is this one"
        case .unverifiedShort: "(?)  it may be another container: nothing confirms that it is this one"
        case .gone: "(gone)  the driver lists it, and there is no such process any more"
        case .hidden: "(hidden)  the driver lists it, and from here it cannot be looked up"
        case .carveout:
            "(set aside)  the part of the rows above that lies in memory the firmware reserved from host RAM"
        case .mpsServer:
            "(MPS server)  runs other processes' CUDA work; their memory is listed under those processes"
        case .overlap: "(overlap or change)  processes share memory, or it moved while it was read"
        case .contradictory:
            "(contradictory)  total less free and used; the driver's own figures, below, contradict each other"
        case .lost: "(lost)  the driver does not answer for this GPU; what is held there is unknown"
        case .ownContainer:
            "(this container)  the container that this program runs in; its name is not known here"
        }
    }

    /// The lines below a table, after an empty one; none if there is nothing to explain.
    package static func legend(for marks: Set<Mark>, on page: Page) -> [String] {
        var marks = marks
        // Both forms of a mark are explained together.
        let hasBoth = marks.isSuperset(of: [.unverified, .unverifiedShort])
        if hasBoth { marks.remove(.unverifiedShort) }
        let lines = allCases.filter(marks.contains).map { mark in
            (hasBoth && mark == .unverified ? "\(mark.text), \(Mark.unverifiedShort.text)" : mark.text, mark.meaning)
        }
        return lines.isEmpty ? [] : [""] + lines.flatMap { explained($0, as: $1, on: page) }
    }

    private static func explained(_ text: String, as meaning: String, on page: Page) -> [String] {
        let line = "\(text)  \(meaning)"
        guard let width = page.width, columns(line) > width else { return [line] }
        let indent = columns(text) + 2
        // A mark that leaves no room for words beside it has a line of its own.
        guard width - indent >= 16 else { return [cut(text, to: width, on: page)] + paragraph(meaning, on: page) }
        let rest = paragraph(meaning, on: page.narrowed(by: indent))
        return rest.enumerated().map { ($0 == 0 ? "\(text)  " : String(repeating: " ", count: indent)) + $1 }
    }
}
