import Foundation
import TestSupport
import Testing

private let id = HostTree.id(1)
private let format = ["--format", "{{.Asked}} {{.PID}} {{.Container}}"]

/// A container with a viewer of two threads, and a process of the host with a low PID.
private func makeHost() throws -> RunningHost {
    let host = try HostTree()
    try host.process(5044, "viewer", cgroup: "0::/system.slice/docker-\(id).scope", inside: [12])
    try host.thread(5044, of: 5044).thread(5072, of: 5044).thread(5073, of: 5044)
    try host.process(3, "kthread", cgroup: "0::/").process(4242, "python3", cgroup: "0::/")
    host.container(id, "viewer", "lab/viewer:1")
    host.card("NVIDIA L4", uuid: "GPU-1", total: 23034, processes: [HostTree.listed(4242, 100)])
    return try host.start()
}

extension RunningHost {
    fileprivate func whose(_ arguments: [String] = [], reading text: String = "") throws -> ProgramResult {
        try run(["whose"] + format + arguments, environment: environment, input: text)
    }
}

struct WhoseTests {
    @Test("A page fault of amdgpu is asked for the process, and not for its thread too")
    func pageFault() throws {
        let text =
            "amdgpu: [gfxhub] page fault (vmid:7 pasid:32771, for process viewer pid 5044 thread viewer:cs0 pid 5072)"
        let result = try makeHost().whose(reading: text)
        #expect(result.output == "5044 5044 viewer\n")
        #expect(result.errors == "")
        #expect(result.code == 0)
    }

    @Test("A thread's id finds the process, by argument and in a message; a message that names both has one row")
    func threads() throws {
        let host = try makeHost()
        #expect(try host.whose(["5072", "5044", "5072"]).output == "5072 5044 viewer\n5044 5044 viewer\n")
        #expect(try host.whose(reading: "pid 5072 failed").output == "5072 5044 viewer\n")
        let both = try host.whose(reading: "pid 5072 failed\npid=5073, pid=5044")
        #expect(both.output == "5044 5044 viewer\n")
        #expect(both.code == 0)
        let unknown = try host.whose(["5072", "5074"])
        #expect(unknown.output == "5072 5044 viewer\n")
        #expect(unknown.errors == "plimsoll: PID 5074 not found on this host or in any of its containers\n")
        #expect(unknown.code == 1)
    }

    @Test("A thread of a real process is found by the kernel's own files")
    func realThread() throws {
        let thread = try threadOfThisProcess()
        let result = try run(["whose", "--format", "{{.Asked}} {{.PID}}", String(thread)])
        #expect(result.output == "\(thread) \(getpid())\n")
        #expect(result.code == 0)
    }

    /// One that is not the first.
    private func threadOfThisProcess() throws -> Int {
        let ready = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            ready.signal()
            sleep(30)
        }
        ready.wait()
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").compactMap { Int($0) }
        return try #require(threads.filter { $0 != Int(getpid()) }.max())
    }

    @Test("Python's names of processes are no PIDs")
    func pythonNames() throws {
        let text = """
            Process Process-3:
            Traceback (most recent call last):
            torch.OutOfMemoryError: CUDA out of memory. Process 4242 has 20.10 GiB memory in use.
            """
        let result = try makeHost().whose(reading: text)
        #expect(result.output == "4242 4242 (host)\n")
        #expect(try makeHost().whose(reading: "Process Process-3:").code == 64)
    }

    @Test("A PID is asked once, however often it is named")
    func once() throws {
        let host = try makeHost()
        #expect(try host.whose(["4242", "4242", "3,4242"]).output == "4242 4242 (host)\n3 3 (host)\n")
        #expect(try host.whose(["7", "7"]).errors.split(separator: "\n").count == 1)
        #expect(try host.whose(reading: "pid 4242\npid=4242\n4242").output == "4242 4242 (host)\n")
    }

    @Test("The workers that a DataLoader lists, and the rows of a pasted table, are all asked")
    func lists() throws {
        let host = try makeHost()
        let loader = "RuntimeError: DataLoader worker (pid(s) 4242, 5044) exited unexpectedly"
        #expect(try host.whose(reading: loader).output == "4242 4242 (host)\n5044 5044 viewer\n")
        let row = "|    0   N/A  N/A      4242      C   python3          10500MiB |"
        #expect(try host.whose(reading: row).output == "4242 4242 (host)\n")
    }

    @Test("A PID inside a container is still found where a thread of the host has none of that number")
    func insidePID() throws {
        #expect(try makeHost().whose(["12"]).output == "12 5044 viewer\n")
    }
}
