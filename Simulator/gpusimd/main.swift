import CSimulator
import Glibc
import HostDescription

// gpusimd HOST.json SOCKET: simulates a host's GPUs until it is killed. Prints "ready" when it listens.

guard CommandLine.arguments.count == 3 else {
    print("usage: gpusimd HOST.json SOCKET")
    exit(64)
}
do {
    let description = try HostDescription.read(CommandLine.arguments[1])
    let host = SimulatedHost(description, ownNamespace: sim_pid_namespace("self"))
    var server = try Server(socket: CommandLine.arguments[2], host: host)
    print("ready")
    fflush(nil)
    server.run()
} catch {
    print("gpusimd: \(error)")
    exit(1)
}
