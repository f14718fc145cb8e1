import CSimulator
import Glibc

/// One loop over one socket: a connection is a process's open driver device, a record is a question.
struct Server {
    private let listener: Int32
    private var book: SimulatedHost
    private var waiting: [pollfd]

    init(socket path: String, book: SimulatedHost) throws {
        listener = sim_listen(path)
        guard listener >= 0 else { throw Refusal(description: "\(path): \(String(cString: strerror(errno)))") }
        self.book = book
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
        book.open(fd, SimulatedHost.Client(pid: UInt32(pid), pidNamespace: 0, pidInside: innermostPID(of: pid)))
        waiting.append(pollfd(fd: fd, events: Int16(POLLIN), revents: 0))
    }

    private mutating func close(_ fd: Int32) {
        Glibc.close(fd)
        book.close(fd)
        book.writeCharges()
        waiting.removeAll { $0.fd == fd }
    }

    private mutating func serve(_ fd: Int32) {
        var request = sim_request()
        let size = MemoryLayout<sim_request>.size
        guard recv(fd, &request, size, Int32(MSG_DONTWAIT)) == size else { return close(fd) }
        let number = Int(request.device)
        if request.is_call != 0 { book.countCall(on: number) }
        switch sim_operation(request.operation) {
        case SIM_HELLO:
            if let client = book.clients[fd], client.pidNamespace == 0 {
                var known = client
                known.pidNamespace = request.bytes
                book.open(fd, known)
            }
            var hello = sim_reply()
            hello.code = book.initializeCode
            hello.count = UInt32(book.cardCount)
            hello.bytes = UInt64(book.cuda)
            hello.stride = book.recordBytes
            hello.third_code = book.thirdListsCode
            fill(&hello.text, book.driver.text)
            answer(fd, &hello)
        case SIM_DEVICE:
            var device = book.describe(number)
            answer(fd, &device)
        case SIM_PROCESSES:
            answer(fd, book.list(Int(request.list), on: number, seenBy: fd))
        case SIM_INITIALIZE:
            book.initializeCUDA(fd)
            answer(fd, code: 0)
        case SIM_CONTEXT: answer(fd, code: book.makeContext(fd, on: number))
        case SIM_UNCONTEXT: answer(fd, code: book.dropContext(fd, on: number))
        case SIM_ALLOCATE:
            let result = book.allocate(fd, on: number, bytes: request.bytes)
            answer(fd, code: result.code, address: result.address)
        case SIM_MANAGED:
            let result = book.allocate(fd, on: number, bytes: request.bytes, isManaged: true)
            answer(fd, code: result.code, address: result.address)
        case SIM_IMPORT:
            let result = book.open(request.address, in: fd)
            answer(fd, code: result.code, address: result.address)
        case SIM_SET_MODE:
            answer(fd, code: book.set(sim_mode(request.list), on: number, request.bytes != 0))
        case SIM_FREE: answer(fd, code: book.free(fd, address: request.address))
        case SIM_ACCOUNTS: answer(fd, ListAnswer(book.accountedProcesses(on: number, askedBy: fd)))
        case SIM_ACCOUNT:
            var reply = sim_reply()
            (reply.code, reply.bytes, reply.address, reply.count) = book.account(
                of: UInt32(truncatingIfNeeded: request.bytes), on: number, askedBy: fd)
            answer(fd, &reply)
        default: close(fd)
        }
    }

    private func answer(_ fd: Int32, code: Int32, address: UInt64 = 0) {
        // Whoever has the answer finds the charge.
        book.writeCharges()
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

/// The last number of the NSpid line: the PID that the process has in its own PID namespace.
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
