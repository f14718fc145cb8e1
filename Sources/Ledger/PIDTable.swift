/// Finds the column of PIDs in pasted tables: of ps, top, lsof, `docker top` and others by its title; of nvidia-smi and fuser by
/// the form of their rows, whose titles are often not pasted.
struct PIDTable {
    private enum Column {
        /// The range of the title in its line, and the field's number.
        case titled(title: Range<Int>, number: Int)
        /// Of lines with commas.
        case cell(Int)
    }

    private var column: Column?

    /// The PIDs of a row, or none of a title line; nil for a line that is no part of a table.
    mutating func pids(in line: TextLine) -> [UInt32]? {
        if let title = Self.title(line) {
            column = title
            return []
        }
        let row = Self.nvidiaRow(line) ?? Self.queryRow(line) ?? Self.fuserRow(line) ?? Self.lsofRow(line)
        if let pids = row ?? Self.killerRow(line) { return pids }
        guard let column else { return nil }
        if let pid = Self.pid(in: column, line) { return [pid] }
        self.column = nil
        return nil
    }

    private static func pid(in column: Column, _ line: TextLine) -> UInt32? {
        switch column {
        case .cell(let number):
            let cells = cells(line)
            return number < cells.count ? line.pid(cells[number]) : nil
        case .titled(let title, let number):
            let fields = line.fields()
            let columns = columns(of: fields, line)
            let below = columns.firstIndex { $0.overlaps(title) }.flatMap { line.pid(fields[$0]) }
            return below ?? (number < fields.count ? line.pid(fields[number]) : nil)
        }
    }

    // MARK: Titles

    private static func title(_ line: TextLine) -> Column? {
        let fields = line.fields()
        guard fields.count >= 2, fields.allSatisfy({ !line.bytes[$0.lowerBound].isDigit }) else { return nil }
        if line.bytes.contains(UInt8(ascii: ",")) {
            return cells(line).firstIndex { line.text($0).lowercased() == "pid" }.map { .cell($0) }
        }
        guard let number = fields.firstIndex(where: { line.bytes[$0].elementsEqual("PID".utf8) }) else { return nil }
        // "PID not found" is a sentence.
        let small = fields.count { line.bytes[$0].contains { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 } }
        guard small <= (fields.count < 3 ? 0 : 1) else { return nil }
        return .titled(title: columns(of: fields, line)[number], number: number)
    }

    private static func cells(_ line: TextLine) -> [Range<Int>] {
        line.bytes.indices.split(omittingEmptySubsequences: false) { line.bytes[$0] == UInt8(ascii: ",") }.map { cell in
            let start = min(line.skipBlanks(from: cell.startIndex), cell.endIndex)
            return start..<((cell[start...].last { !line.bytes[$0].isBlank } ?? start - 1) + 1)
        }
    }

    /// Where fields are on a screen, with tabs of eight columns.
    private static func columns(of fields: [Range<Int>], _ line: TextLine) -> [Range<Int>] {
        var (column, offset) = (0, 0)
        return fields.map { field in
            for byte in line.bytes[offset..<field.lowerBound] {
                column = byte == UInt8(ascii: "\t") ? (column / 8 + 1) * 8 : column + 1
            }
            let start = column
            (column, offset) = (start + field.count, field.upperBound)
            return start..<column
        }
    }

    // MARK: Rows without titles

    /// `|    0   N/A  N/A      4242      C   python3      10500MiB |`; before R450 without the instances, as `nvidia-smi pmon` still
    /// has it.
    private static func nvidiaRow(_ line: TextLine) -> [UInt32]? {
        let fields = line.fields { $0 == UInt8(ascii: "|") || $0 == UInt8(ascii: ">") }
        func isNumber(_ field: Range<Int>) -> Bool { line.bytes[field].allSatisfy(\.isDigit) }
        func isInstance(_ field: Range<Int>) -> Bool { isNumber(field) || line.bytes[field].elementsEqual("N/A".utf8) }
        func isType(_ number: Int) -> Bool {
            number < fields.count && line.bytes[fields[number]].allSatisfy { $0.isOne(of: "CGM+") }
        }
        guard let gpu = fields.first, isNumber(gpu) else { return nil }
        if isType(2) { return line.pid(fields[1]).map { [$0] } }
        guard isType(4), isInstance(fields[1]), isInstance(fields[2]) else { return nil }
        return line.pid(fields[3]).map { [$0] }
    }

    /// `4242, python3, 10500 MiB`, as `nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv,noheader` prints
    /// it, perhaps with other fields before. A row of `--query-gpu` has a GPU name after its number.
    private static func queryRow(_ line: TextLine) -> [UInt32]? {
        guard line.bytes.contains(UInt8(ascii: ",")) else { return nil }
        let cells = cells(line)
        guard let size = cells.last, line.bytes[size].suffix(4).elementsEqual(" MiB".utf8),
            line.bytes[size].dropLast(4).allSatisfy(\.isDigit)
        else { return nil }
        for (cell, name) in zip(cells, cells.dropFirst()) where name != size {
            guard let pid = line.pid(cell) else { continue }
            let isCard = ["NVIDIA", "Tesla", "Quadro", "GeForce", "GRID", "TITAN"].contains {
                line.bytes[name].starts(with: $0.utf8)
            }
            return isCard || name.isEmpty || line.bytes[name].allSatisfy(\.isDigit) ? nil : [pid]
        }
        return nil
    }

    /// `[   4242]  1000  4242  123456 …`: in the table of the kernel's out-of-memory killer the third number is the first again
    /// (kernel, mm/oom_kill.c, dump_task).
    private static func killerRow(_ line: TextLine) -> [UInt32]? {
        guard line.bytes.contains(UInt8(ascii: "[")) else { return nil }
        for open in line.bytes.indices where line.bytes[open] == UInt8(ascii: "[") {
            let start = line.skipBlanks(from: open + 1)
            let end = line.skip(\.isDigit, from: start)
            guard line.byte(end) == UInt8(ascii: "]"), let pid = line.pid(start..<end) else { continue }
            let rest = TextLine(line.bytes[(end + 1)...].prefix(64))
            let fields = rest.fields()
            if fields.count > 3, rest.pid(fields[1]) == pid, rest.bytes[fields[0]].allSatisfy(\.isDigit) {
                return [pid]
            }
        }
        return nil
    }

    /// `FILE:  4242 4243m`; the letters say how the file is used. With -v `FILE:  root  4242 F...m python3`, and rows
    /// after it without the file.
    private static func fuserRow(_ line: TextLine) -> [UInt32]? {
        let fields = line.fields()
        func isUse(_ bytes: ArraySlice<UInt8>) -> Bool { bytes.allSatisfy { $0.isOne(of: "cefFrm") } }
        if let file = fields.first, line.bytes[file.lowerBound] == UInt8(ascii: "/"),
            line.bytes[file.upperBound - 1] == UInt8(ascii: ":"), fields.count > 1
        {
            let pids = fields.dropFirst().map { field -> UInt32? in
                let end = line.skip(\.isDigit, from: field.lowerBound)
                return end <= field.upperBound && isUse(line.bytes[end..<field.upperBound])
                    ? line.pid(field.lowerBound..<end) : nil
            }
            if !pids.contains(nil) { return pids.compactMap(\.self) }
        }
        for (before, field) in zip(fields, fields.dropFirst()) where field.count == 5 {
            let letters = line.bytes[field].filter { $0 != UInt8(ascii: ".") }
            if 1..<5 ~= letters.count, isUse(letters[...]), let pid = line.pid(before) { return [pid] }
        }
        return nil
    }

    /// `python3 4242 root  mem  CHR 195,255  1028 FILE`
    private static func lsofRow(_ line: TextLine) -> [UInt32]? {
        let fields = line.fields()
        guard fields.count >= 7, line.bytes[fields[fields.count - 1].lowerBound] == UInt8(ascii: "/"),
            fields.contains(where: { ["CHR", "REG"].contains(line.text($0)) })
        else { return nil }
        return line.pid(fields[1]).map { [$0] }
    }
}
