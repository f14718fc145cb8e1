import Glibc

/// What holds memory of the simulated cards: containers of two processes each, or as many processes without containers.
protocol Holders {
    func start(_ count: Int, on cards: Int) throws
    func remove()
}

/// Arguments of gpusim-hold: two processes, each of which holds 100 MiB and more of a card.
private func held(by number: Int, on cards: Int) -> [String] {
    ["--children", "1", "\(number % cards):\(100 + number)MiB"]
}

final class ContainerHolders: Holders {
    private let place: Workplace
    private let host: SimulatedHost
    private let name: String
    private var label: String { "plimsoll.bench=\(name)" }
    private var image: String { "plimsoll-bench:\(name)" }

    init(_ place: Workplace, _ host: SimulatedHost) {
        self.place = place
        self.host = host
        name = String(getpid())
    }

    func start(_ count: Int, on cards: Int) throws {
        try run("sh", ["Simulator/make-image.sh", image, place.program("gpusim-hold")], joinsErrors: true)
        for number in 0..<count {
            let options = [
                "run", "-d", "--name", "plimsoll-bench-\(name)-\(number)", "--label", label, "--network", "none",
                "--security-opt", "label=disable", "-v", "\(host.libraries):/usr/lib/gpusim:ro",
                "-v", "\(host.sockets):/run/gpusim", "-e", "LD_LIBRARY_PATH=/usr/lib/gpusim",
            ]
            try Engine.docker(options + [image, "/bin/gpusim-hold"] + held(by: number, on: cards))
        }
    }

    func remove() {
        // Not by `run`, which does nothing after an interruption.
        let ids = docker(["ps", "-aq", "--filter", "label=\(label)"]).split(whereSeparator: \.isNewline).map(
            String.init)
        if !ids.isEmpty { _ = docker(["rm", "-f"] + ids) }
        _ = docker(["rmi", "-f", image])
    }

    private func docker(_ arguments: [String]) -> String {
        (try? Child("docker", arguments, joinsErrors: true).finish().output) ?? ""
    }
}

final class ProcessHolders: Holders {
    private let place: Workplace
    private let host: SimulatedHost
    private var children: [Child] = []

    init(_ place: Workplace, _ host: SimulatedHost) {
        self.place = place
        self.host = host
    }

    func start(_ count: Int, on cards: Int) throws {
        for number in 0..<count {
            try Interruption.check()
            let program = ["LD_LIBRARY_PATH=\(host.libraries)", place.program("gpusim-hold")]
            children.append(try Child("env", program + held(by: number, on: cards)))
        }
    }

    func remove() {
        for child in children { child.end() }
        children = []
    }
}
