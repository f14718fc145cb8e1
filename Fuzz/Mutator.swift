import SeededGenerator

/// Makes inputs that are almost what a parser expects.
struct Mutator {
    let seeds: [[UInt8]]
    /// Words that mean something to the parser.
    let words: [[UInt8]]
    /// Bytes of an input at most.
    let limit: Int
    private var chance: SeededGenerator

    init(_ corpus: Corpus, seed: UInt64) {
        seeds = corpus.seeds
        words = (corpus.words + Self.numbers).map { Array($0.utf8) }
        limit = corpus.limit
        chance = SeededGenerator(seed: seed)
    }

    /// Numbers at the ends of what types hold, and such as are none.
    private static let numbers = [
        "0", "-1", "1", "127", "255", "65536", "2147483647", "2147483648", "4294967295", "4294967296",
        "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551615",
        "18446744073709551616", "1e99", "-1e308", "0.5", "NaN", "null", "", "\u{0}", "\u{1B}[31m", "\u{FEFF}",
        "\u{202E}",
        "é", "日本語", "\u{1100}\u{1100}\u{1100}", "\u{915}\u{94D}\u{915}", "\u{20000}", "✅", "❤\u{FE0F}", "<\u{301}",
        "/\u{301}",
    ]

    mutating func next() -> [UInt8] {
        var bytes = seeds[chance.below(seeds.count)]
        for _ in 0..<(1 + chance.below(1 << chance.below(6))) { change(&bytes) }
        if bytes.count > limit { bytes.removeLast(bytes.count - limit) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        let place = chance.below(bytes.count + 1)
        let length = min(bytes.count - place, 1 + chance.below(1 << chance.below(8)))
        switch chance.below(9) {
        case 0: if place < bytes.count { bytes[place] ^= 1 << UInt8(chance.below(8)) }
        case 1: if place < bytes.count { bytes[place] = UInt8(truncatingIfNeeded: chance.next()) }
        case 2: bytes.removeSubrange(place..<place + length)
        case 3: bytes.insert(contentsOf: words[chance.below(words.count)], at: place)
        case 4: replaceNumber(&bytes, near: place)
        case 5: bytes.insert(contentsOf: bytes[place..<place + length], at: place)
        case 6:
            // The beginning of this one and the end of another.
            let other = seeds[chance.below(seeds.count)]
            bytes = Array(bytes[..<place]) + other[chance.below(other.count + 1)...]
        case 7:
            for _ in 0..<(1 << chance.below(10)) where bytes.count < limit {
                bytes.insert(contentsOf: words[chance.below(words.count)].prefix(8), at: place)
            }
        default: bytes.removeSubrange(place...)
        }
    }

    private mutating func replaceNumber(_ bytes: inout [UInt8], near place: Int) {
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        guard let start = bytes[place...].firstIndex(where: isDigit) else { return }
        let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.count
        let number = Self.numbers[chance.below(Self.numbers.count)]
        bytes.replaceSubrange(start..<end, with: Array(number.utf8))
    }
}

/// What a target's inputs are made from.
struct Corpus {
    var seeds: [[UInt8]]
    var words: [String]
    var limit = 16384

    init(seeds: [String], words: [String], limit: Int = 16384) {
        self.init(binary: seeds.map { Array($0.utf8) }, words: words, limit: limit)
    }

    init(binary seeds: [[UInt8]], words: [String], limit: Int = 16384) {
        self.seeds = seeds
        self.words = words
        self.limit = limit
    }
}
