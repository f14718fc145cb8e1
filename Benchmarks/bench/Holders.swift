import Glibc

/// Containers of two processes each, which hold memory of the simulated cards.
final class ContainerHolders {
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
            // Two processes, each of which holds 100 MiB and more of a card.
            let holder = ["/bin/gpusim-hold", "--children", "1", "\(number % cards):\(100 + number)MiB"]
            try Engine.docker(options + [image] + holder)
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
