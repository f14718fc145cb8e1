import CSimulator
import Glibc
import HostDescription

/// Answers requests at the simulator's socket, in one loop. A connection is a process's open driver device; a message
/// is a request.
struct Server {
    private let listener: Int32
    private var host: SimulatedHost
    private var waiting: [pollfd]

    init(socket path: String, host: SimulatedHost) throws {
        listener = sim_listen(path)
        guard listener >= 0 else { throw Refusal(description: "\(path): \(String(cString: strerror(errno)))") }
        self.host = host
        waiting = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
    }

    mutating func run() -> Never {
        while true {
            guard poll(&waiting, nfds_t(waiting.count), -1) >= 0 else { continue }
            let ready = waiting.filter { $0.revents != 0 }.map(\.fd)
            for fd in ready where fd != listener { serve(fd) }
            if ready.contains(listener) { accept() }
        }
    }

    private mutating func accept() {
        let fd = Glibc.accept(listener, nil, nil)
        guard fd >= 0 else { return }
        _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
        let pid = sim_peer(fd)
        guard pid > 0 else {
            Glibc.close(fd)
            return
        }
        host.open(fd, SimulatedHost.Client(pid: UInt32(pid), pidNamespace: 0, pidInside: innermostPID(of: pid)))
        waiting.append(pollfd(fd: fd, events: Int16(POLLIN), revents: 0))
    }

    private mutating func close(_ fd: Int32) {
        Glibc.close(fd)
        host.close(fd)
        host.writeCharges()
        waiting.removeAll { $0.fd == fd }
    }

    private mutating func serve(_ fd: Int32) {
        var request = sim_request()
        let size = MemoryLayout<sim_request>.size
        guard recv(fd, &request, size, Int32(MSG_DONTWAIT)) == size else { return close(fd) }
        let number = Int(request.device)
        if request.is_call != 0 { host.countCall(on: number) }
        switch sim_operation(request.operation) {
        case SIM_HELLO:
            if let client = host.clients[fd], client.pidNamespace == 0 {
                var known = client
                known.pidNamespace = request.bytes
                host.open(fd, known)
            }
            var hello = sim_reply()
            hello.code = host.initializeCode
            hello.count = UInt32(host.gpuCount)
            hello.bytes = UInt64(host.cuda)
            hello.stride = host.recordBytes
            hello.third_code = host.thirdListsCode
            fill(&hello.text, host.driver.text)
            answer(fd, &hello)
        case SIM_DEVICE:
            var device = host.describe(number)
            answer(fd, &device)
        case SIM_PROCESSES:
            answer(fd, host.list(Int(request.list), on: number, seenBy: fd))
        case SIM_INITIALIZE:
            host.initializeCUDA(fd)
            answer(fd, code: 0)
        case SIM_CONTEXT: answer(fd, code: host.makeContext(fd, on: number))
        case SIM_UNCONTEXT: answer(fd, code: host.dropContext(fd, on: number))
        case SIM_ALLOCATE:
            let result = host.allocate(fd, on: number, bytes: request.bytes)
            answer(fd, code: result.code, address: result.address)
        case SIM_MANAGED:
            let result = host.allocate(fd, on: number, bytes: request.bytes, isManaged: true)
            answer(fd, code: result.code, address: result.address)
        case SIM_IMPORT:
            let result = host.open(request.address, in: fd)
            answer(fd, code: result.code, address: result.address)
        case SIM_SET_MODE:
            answer(fd, code: host.set(sim_mode(request.list), on: number, request.bytes != 0))
        case SIM_FREE: answer(fd, code: host.free(fd, address: request.address))
        case SIM_ACCOUNTS: answer(fd, ListAnswer(host.accountedProcesses(on: number, askedBy: fd)))
        case SIM_ACCOUNT:
            var reply = sim_reply()
            (reply.code, reply.bytes, reply.address, reply.count) = host.account(
                of: UInt32(truncatingIfNeeded: request.bytes), on: number, askedBy: fd)
            answer(fd, &reply)
        default: close(fd)
        }
    }

    private func answer(_ fd: Int32, code: Int32, address: UInt64 = 0) {
        // First, so that a client that has the answer finds the new charge.
        host.writeCharges()
        var reply = sim_reply()
        reply.code = code
        reply.address = address
        answer(fd, &reply)
    }

    private func answer<Reply: BitwiseCopyable>(_ fd: Int32, _ reply: inout Reply) {
        _ = send(fd, &reply, MemoryLayout<Reply>.size, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
    }

    private func answer(_ fd: Int32, _ list: ListAnswer) {
        let answer = UnsafeMutablePointer<sim_process_list>.allocate(capacity: 1)
        defer { answer.deallocate() }
        memset(answer, 0, MemoryLayout<sim_process_list>.size)
        answer.pointee.code = list.code
        answer.pointee.grows = list.grows ? 1 : 0
        answer.pointee.claims = list.claims
        answer.pointee.length_answer = list.length.rawValue
        answer.pointee.count = UInt32(list.processes.count)
        withUnsafeMutableBytes(of: &answer.pointee.processes) { bytes in
            list.processes.withUnsafeBytes { bytes.copyMemory(from: $0) }
        }
        _ = send(fd, answer, MemoryLayout<sim_process_list>.size, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
    }
}

/// The process's PID in its own PID namespace: the last number of the NSpid line.
private func innermostPID(of pid: pid_t) -> UInt32 {
    guard let file = fopen("/proc/\(pid)/status", "re") else { return UInt32(pid) }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
        guard text.hasPrefix("NSpid:") else { continue }
        return text.split(whereSeparator: \.isWhitespace).last.flatMap { UInt32($0) } ?? UInt32(pid)
    }
    return UInt32(pid)
}
