import Glibc

/// The process that tries the inputs, one after another, until it has had enough or one of them kills it.
enum Child {
    /// Exit code for an input that was read wrongly.
    static let wrong: Int32 = 3

    static func run(_ target: Target, seed: UInt64, inputs: UInt64, evidence: Evidence) -> Never {
        var mutator = Mutator(target.corpus, seed: seed)
        for count in 1...max(1, inputs) {
            let input = mutator.next()
            evidence.input = input
            evidence.count = count
            if let complaint = target.complaint(input) {
                evidence.message = complaint
                exit(wrong)
            }
        }
        exit(0)
    }

    /// One input, from a file that an earlier run left.
    static func replay(_ target: Target, _ path: String) throws -> Never {
        guard let file = fopen(path, "r") else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
        var input: [UInt8] = []
        while case let byte = fgetc(file), byte != EOF { input.append(UInt8(byte)) }
        fclose(file)
        if let complaint = target.complaint(input) {
            print("\(target.name): \(complaint)")
            exit(wrong)
        }
        print("\(target.name): nothing wrong with it")
        exit(0)
    }
}
