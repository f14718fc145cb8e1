import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20

/// One card of 4 GiB whose contexts take 100 MiB.
private func card(_ more: [String: Any] = [:]) throws -> RunningHost {
    try HostTree().card(
        "NVIDIA A2", uuid: "GPU-0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", total: 4096, processes: [],
        ["contextMiB": 100].merging(more) { $1 }
    ).start()
}

extension RunningHost {
    fileprivate var cuda: [String: String] {
        environment.merging(["LD_LIBRARY_PATH": driver.libraries, "PLIMSOLL_PROCFS": "/proc"]) { $1 }
    }

    fileprivate func alloc(_ arguments: String...) throws -> ProgramResult {
        try run(["alloc"] + arguments, environment: cuda)
    }

    fileprivate func freeBytes() throws -> Int64? {
        try plimsoll("--format", "json").document()["devices"][0]["memory"]["freeBytes"].integer
    }
}

struct AllocTests {
    @Test(
        "What the driver charges: asked, rounded, and the context",
        arguments: [
            ("1000x1000", [], 4_000_000, 4), ("1000x1000", ["--dtype", "float16"], 2_000_000, 2),
            ("1024x1024x3", ["--dtype", "bfloat16"], 6_291_456, 6), ("100x100", ["--count", "3"], 120_000, 6),
            ("1GiB", [], 1 << 30, 1024), ("1GB", [], 1_000_000_000, 954), ("1", [], 1, 2),
        ] as [(String, [String], Int64, Int64)])
    func charged(_ size: String, _ options: [String], _ asked: Int64, _ allocated: Int64) throws {
        let host = try card()
        let result = try run(["alloc", size, "--format", "json"] + options, environment: host.cuda)
        #expect(result.code == 0)
        let document = try result.document()
        #expect(document["askedBytes"].integer == asked)
        #expect(document["allocatedBytes"].integer == allocated * mebibyte)
        #expect(document["contextBytes"].integer == 100 * mebibyte)
        #expect(document["processBytes"].integer == (100 + allocated) * mebibyte)
        #expect(document["measuredBy"].string == "process")
        #expect(document["freeWithBytes"].integer == (4096 - 100 - allocated) * mebibyte)
        #expect(try host.freeBytes() == 4096 * mebibyte, "everything is free again")
    }

    @Test("For a person: each step on its line")
    func lines() throws {
        let output = try card().alloc("1000x1000").output
        for words in [
            "requested  3.815MiB, a tensor of 1000x1000 float32", "allocated  4MiB, rounded up by 189.8KiB",
            "context    100MiB", "total      104MiB", "free       4GiB before, 3.898GiB after, of 4GiB",
        ] { #expect(output.contains(words), "\(words)") }
    }

    @Test("Out of memory is exit code 1, with who holds the rest")
    func outOfMemory() throws {
        let host = try card()
        let alone = try host.alloc("5GiB")
        #expect(alone.code == 1)
        #expect(alone.output == "")
        #expect(alone.errors.contains("out of memory on GPU 0: requested 5GiB; of 4GiB 4GiB was free, 3.902GiB after"))
        #expect(alone.errors.contains("no other process holds memory there"))
        let holding = try Holding(["0:2GiB"], driver: host.driver)
        defer { holding.end() }
        #expect(try host.alloc("3GiB").errors.contains("gpusim-hold holds 2.098GiB"))
    }

    @Test("The largest block is what there is beside the context; refused while others hold memory, unless forced")
    func largest() throws {
        let host = try card()
        #expect(try host.alloc("--max", "--format", "json").document()["allocatedBytes"].integer == 3996 * mebibyte)
        let holding = try Holding(["0:1GiB"], driver: host.driver)
        defer { holding.end() }
        let refused = try host.alloc("--max")
        #expect(refused.code == 1)
        #expect(refused.errors.contains("--force"))
        #expect(try host.alloc("--max", "--force").code == 0)
        // Less than 5% of the card would be left to the other.
        #expect(try host.alloc("2850MiB").errors.contains("only 122MiB, less than 5%, would be left for them"))
        #expect(try host.alloc("2850MiB", "--force").code == 0)
        #expect(try host.alloc("1GiB").code == 0)
    }

    @Test("In a log it is said that it is held; engines are nobody's trouble where there is room")
    func holdsInLog() throws {
        let result = try card().alloc("1GiB", "--hold", "0.2s", "--docker-host", "unix:///nowhere.sock")
        #expect(result.code == 0)
        #expect(result.errors == "plimsoll: holding the memory for 1 s more; press Ctrl-C to free it\n")
    }

    @Test(
        "It holds as long as it is told to, frees at a signal, and leaves no child",
        arguments: [SIGINT, SIGTERM, SIGKILL])
    func hold(_ signal: Int32) throws {
        let host = try card()
        let process = try launch(
            ["alloc", "1GiB", "--hold", "60s"], environment: host.cuda, output: Pipe(), errors: Pipe())
        #expect(try waitUntil { try host.freeBytes() == 2972 * mebibyte })
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(process.terminationStatus == (signal == SIGINT ? 130 : signal == SIGTERM ? 143 : SIGKILL))
        #expect(try waitUntil { try host.freeBytes() == 4096 * mebibyte })
        #expect(try host.alloc("1MiB", "--hold", "0.1").code == 0)
    }

    @Test("On a divided GPU it allocates in the instance that CUDA shows")
    func instances() throws {
        let host = try HostTree(simulating: "a100-mig").start()
        for (chosen, index) in [(nil, "0:0"), ("MIG-4ae8becf-0002-4809-8bff-385b1c79f555", "0:1")]
            as [(String?, String)]
        {
            let variables = chosen.map { ["CUDA_VISIBLE_DEVICES": $0] } ?? [:]
            let result = try run(
                ["alloc", "1GiB", "--format", "json"], environment: host.cuda.merging(variables) { $1 })
            #expect(result.code == 0, "\(result.errors)")
            let document = try result.document()
            #expect(document["device"]["index"].string == index)
            #expect(document["allocatedBytes"].integer == 1 << 30)
            #expect(document["measuredBy"].string == "process")
        }
    }

    @Test("What is left to others is counted with the context and with what is rounded")
    func leavesRoom() throws {
        let host = try card()
        let holding = try Holding(["0:1GiB"], driver: host.driver)
        defer { holding.end() }
        // 2972 MiB are free; 5% of the card are 204.8 MiB.
        for (words, code) in [
            (["2700MiB"], 1), (["2660MiB"], 0), (["1", "--count", "1340"], 1), (["1", "--count", "1320"], 0),
            // Blocks are taken one by one: these would take all there is before the driver refuses one.
            (["8MiB", "--count", "4096"], 1),
        ] as [([String], Int32)] {
            let result = try run(["alloc"] + words, environment: host.cuda)
            #expect(result.code == code, "\(words): \(result.errors)")
            if code == 1 { #expect(result.errors.contains("less than 5%, would be left for them")) }
        }
        #expect(try host.freeBytes() == 2972 * mebibyte)
    }

    @Test("Memory that is the host's own is taken whole from nobody unasked")
    func unifiedMemory() throws {
        let tree = try HostTree(simulating: "dgx-spark")
        try tree.scratch.write("MemTotal: 4194304 kB\nMemAvailable: 3145728 kB\n", to: "proc/meminfo")
        let host = try tree.start()
        let libraries = ["LD_LIBRARY_PATH": host.driver.libraries]
        let environment = host.environment.merging(libraries) { $1 }
        #expect(try run(["alloc", "1000x1000"], environment: environment).code == 0)
        for words in [["--max"], ["2900MiB"]] {
            let result = try run(["alloc"] + words, environment: environment)
            #expect(result.code == 1)
            #expect(result.errors.contains("to allocate anyway, use --force"), "\(result.errors)")
        }
    }

    @Test("Where the process that holds is killed, that is told at once: nothing is held any more")
    func holderKilled() throws {
        let host = try card()
        let told = Pipe()
        let process = try launch(
            ["alloc", "1GiB", "--hold", "60s"], environment: host.cuda, output: Pipe(), errors: told)
        #expect(try waitUntil { try host.freeBytes() == 2972 * mebibyte })
        let children = try run(
            program: "/usr/bin/pgrep", ["-f", "-P", String(process.processIdentifier), "plimsoll-cuda"])
        kill(try #require(Int32(children.output.trimmingCharacters(in: .whitespacesAndNewlines))), SIGKILL)
        process.waitUntilExit()
        #expect(process.terminationStatus == 2)
        let errors = String(decoding: told.fileHandleForReading.availableData, as: UTF8.self)
        #expect(errors.contains("the memory is no longer held: the process that allocates was killed"))
    }

    @Test("A full card has no room for a context, and no largest block")
    func fullCard() throws {
        let host = try card()
        let holding = try Holding(["0:3990MiB"], driver: host.driver)
        defer { holding.end() }
        let asked = try host.alloc("1MiB", "--force")
        #expect(asked.code == 1)
        #expect(asked.errors.contains("requested 1MiB; of 4GiB 6MiB was free; not even the CUDA context fits"))
        #expect(try host.alloc("--max", "--force").errors.contains("requested the largest block"))
    }

    @Test(
        "What is no size is told as what it looks like",
        arguments: [
            ("-1", "'-1' is below 0"), ("0", "it must be above 0"), ("1e99", "'e99' is not a unit of memory"),
            ("5x", "'5x' is not a shape"), ("x5", "'x5' is not a shape"), ("0x5", "A dimension of '0x5' is 0"),
            ("99999999999x99999999999", "is more memory than any GPU has"), ("5Q", "'q' is not a unit of memory"),
        ])
    func wrongSizes(_ size: String, _ message: String) throws {
        let result = try run(["alloc", size])
        #expect(result.code == 64)
        #expect(result.errors.contains(message), "\(result.errors)")
        #expect(try run(["alloc", "10x10", "--dtype", "float31"]).errors.contains("float32"))
        #expect(try card().alloc("10X10").code == 0)
    }

    @Test("Of several devices it takes the roomiest that CUDA shows here")
    func visibleDevices() throws {
        let host = try HostTree()
        for (digit, total) in [("0", 8192), ("1", 4096), ("2", 2048)] {
            host.card(
                "NVIDIA A2", uuid: "GPU-\(digit)f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", total: total, processes: [],
                ["contextMiB": 100])
        }
        let running = try host.start()
        for (visible, index) in [(nil, "0"), ("1,2", "1"), ("2", "2"), ("GPU-2f1e2d3c", "2"), ("2,7,0", "2")]
            as [(String?, String)]
        {
            let chosen = visible.map { ["CUDA_VISIBLE_DEVICES": $0] } ?? [:]
            let result = try run(
                ["alloc", "1GiB", "--format", "json"], environment: running.cuda.merging(chosen) { $1 })
            #expect(result.code == 0)
            #expect(try result.document()["device"]["index"].string == index, "\(visible ?? "")")
        }
        for visible in ["1", "", "-1"] {
            let hidden = try run(
                ["alloc", "1GiB", "--device", "0"],
                environment: running.cuda.merging(["CUDA_VISIBLE_DEVICES": visible]) { $1 })
            #expect(hidden.code == 1)
            #expect(
                hidden.errors == "plimsoll: CUDA does not show GPU 0 here; CUDA_VISIBLE_DEVICES is '\(visible)'\n"
            )
        }
    }

    @Test("What is not here is told: no device of that name, no CUDA, no driver")
    func notHere() throws {
        let host = try card()
        #expect(try host.alloc("1GiB", "--device", "3").code == 1)
        let result = try host.plimsoll("alloc", "1GiB", "--cuda-library", "/nowhere/libcuda.so.1")
        #expect(result.code == 2)
        #expect(result.errors.contains("/nowhere/libcuda.so.1: cannot open shared object file"))
        #expect(try run(["alloc", "1GiB"]).code == 2)
    }

    @Test(
        "Every generation of drivers tells the same of an allocation", arguments: GenerationTests.dedicated)
    func generations(_ name: String) throws {
        let host = try HostTree(simulating: name).start()
        let document = try host.alloc("64MiB", "--format", "json").document()
        #expect(document["allocatedBytes"].integer == 64 * mebibyte)
        #expect(document["measuredBy"].string == "process")
    }
}
