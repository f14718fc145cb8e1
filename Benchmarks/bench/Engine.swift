import Glibc

/// The Docker engine that the docker client finds, or that of PLIMSOLL_TEST_DOCKER_HOST as in the tests.
struct Engine {
    let url: String
    var socket: String { String(url.dropFirst("unix://".count)) }

    /// - Throws: why there is none to use.
    init() throws {
        if let host = getenv("PLIMSOLL_TEST_DOCKER_HOST"), host.pointee != 0 { setenv("DOCKER_HOST", host, 1) }
        let system = try Self.docker(["info", "--format", "{{.OperatingSystem}}"])
        guard !system.contains("Docker Desktop") else {
            throw Failure("Docker Desktop keeps its containers in a virtual machine, where the simulated GPUs are not")
        }
        let host = getenv("DOCKER_HOST").map { String(cString: $0) } ?? ""
        let told =
            host.isEmpty
            ? try Self.docker(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]) : host
        url = String(told.prefix { !$0.isNewline })
        guard url.hasPrefix("unix://") else { throw Failure("the engine at \(url) is not on this machine's socket") }
        setenv("DOCKER_HOST", url, 1)
    }

    @discardableResult
    static func docker(_ arguments: [String]) throws -> String {
        try run("docker", arguments, joinsErrors: true)
    }
}
