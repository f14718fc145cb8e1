struct Failure: Error, CustomStringConvertible {
    var description: String
}

struct Options {
    struct Hold {
        var device: Int32
        var bytes: UInt
    }

    var holds: [Hold] = []
    var children = 0
    /// The parent is a gpusim-hold that was started with `--children`.
    var isChild = false
    var grow: UInt?
    var spike: UInt?
    var breathe: Double?
    var seconds: Double?
    private var holdArguments: [String] = []

    init(_ arguments: [String]) throws {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--children": children = try Self.value(&rest, argument, Int.init)
            case "--child": isChild = true
            case "--grow": grow = try Self.value(&rest, argument, Self.size)
            case "--spike": spike = try Self.value(&rest, argument, Self.size)
            case "--breathe": breathe = try Self.value(&rest, argument, Double.init)
            case "--for": seconds = try Self.value(&rest, argument, Double.init)
            default:
                let parts = argument.split(separator: ":")
                guard parts.count == 2, let device = Int32(parts[0]), let bytes = Self.size(String(parts[1])) else {
                    throw Failure(description: "invalid argument '\(argument)': expected DEVICE:SIZE, such as 0:512MiB")
                }
                holds.append(Hold(device: device, bytes: bytes))
                holdArguments.append(argument)
            }
        }
    }

    var childArguments: [String] {
        ["--child"] + (seconds.map { ["--for", String($0)] } ?? []) + (breathe.map { ["--breathe", String($0)] } ?? [])
            + holdArguments
    }

    private static func value<Value>(
        _ rest: inout ArraySlice<String>, _ name: String, _ convert: (String) -> Value?
    ) throws -> Value {
        guard let text = rest.popFirst(), let value = convert(text) else {
            throw Failure(description: "\(name) needs a value")
        }
        return value
    }

    private static func size(_ text: String) -> UInt? {
        for (unit, factor) in [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)]
        where text.hasSuffix(unit) {
            guard let number = UInt(text.dropLast(unit.count)) else { return nil }
            let (bytes, overflow) = number.multipliedReportingOverflow(by: UInt(factor))
            return overflow ? nil : bytes
        }
        return nil
    }
}
