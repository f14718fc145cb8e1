import Glibc
import Synchronization

/// Ctrl-C and its like end the run between two steps, so that what was started is removed by the one thread that started it.
enum Interruption {
    private static let signal = Atomic<Int32>(0)

    static func prepare() {
        for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] {
            Glibc.signal(number) { Interruption.signal.store($0, ordering: .relaxed) }
        }
    }

    /// 128 and the signal's number, as a shell tells it; nil where there was none.
    static var code: Int32? {
        let number = signal.load(ordering: .relaxed)
        return number == 0 ? nil : 128 + number
    }

    static func check() throws {
        if code != nil { throw Failure("interrupted") }
    }
}

struct Failure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
