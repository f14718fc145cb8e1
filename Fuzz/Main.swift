import Glibc

// fuzz [--inputs N] [--seed N] [--target NAME] [--folder PATH]: inputs that are almost right, into every parser of what others
// write. A crash, a hang of ten seconds or a broken promise leaves the input in the folder, and ends with exit code 1.
// fuzz --target NAME --replay FILE tries one again.

@main
enum Main {
    static func main() {
        do {
            let options = try Options(Array(CommandLine.arguments.dropFirst()))
            if let file = options.replay { try Child.replay(options.targets[0], file) }
            if let path = options.evidence {
                Child.run(
                    options.targets[0], seed: options.seed, inputs: options.inputs ?? 1,
                    evidence: try Evidence(path: path))
            }
            exit(try Campaign(options).run() ? 0 : 1)
        } catch {
            print("fuzz: \(error)")
            exit(64)
        }
    }
}

struct Options {
    var targets = Target.all
    /// Of all targets together; nil for each one's own number.
    var inputs: UInt64?
    var seed: UInt64 = 1
    var folder = ".build/fuzz"
    var replay: String?
    /// Given to a child.
    var evidence: String?

    init(_ arguments: [String]) throws {
        var rest = arguments[...]
        func number(_ text: String) throws -> UInt64 {
            guard let number = UInt64(text) else { throw Failure("'\(text)' is no number") }
            return number
        }
        while let option = rest.popFirst() {
            guard let value = rest.popFirst() else { throw Failure("\(option) takes a value") }
            switch option {
            case "--inputs": inputs = try number(value)
            case "--seed": seed = try number(value)
            case "--folder": folder = value
            case "--replay": replay = value
            case "--evidence": evidence = value
            case "--target":
                targets = Target.all.filter { $0.name == value }
                guard !targets.isEmpty else {
                    throw Failure("--target is one of \(Target.all.map { $0.name }.joined(separator: ", "))")
                }
            default: throw Failure("what is \(option)?")
            }
        }
        guard replay == nil || targets.count == 1 else { throw Failure("--replay takes a --target") }
    }
}
