import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20
/// What a process's context costs on the first card of the simulated host.
private let context = 380 * mebibyte
private let tool = "/bin/plimsoll"
private let hold = "/bin/gpusim-hold"

struct GPURequestTests {
    @Test("Under CI the engine gives GPUs: there these tests are not skipped", .enabled(if: RealDocker.isCI))
    func gpusAreGiven() {
        #expect(RealDocker.absenceOfGPUs == nil)
    }
}

/// `check`, `alloc` and `run` in real containers, which a real engine was told to give GPUs; only the GPUs are simulated.
@Suite(.serialized, .enabled(if: RealDocker.absenceOfGPUs == nil, "\(RealDocker.absenceOfGPUs ?? "")"))
struct InContainerTests {
    // MARK: check

    @Test(
        "A container sees the GPUs that it was given, numbered from 0, under the host's UUIDs",
        arguments: [("all", [0, 1, 2, 3]), ("2", [0, 1]), ("\"device=1,3\"", [1, 3])])
    func given(_ gpus: String, _ cards: [Int]) throws {
        let host = try ContainerHost(
            Build.package.appending(path: "Benchmarks/hosts/four-cards.json").path, in: try Scratch())
        let result = try host.run(gpus: gpus, [], [tool, "check", "--format", "json"])
        #expect(result.code == 0)
        #expect(result.errors == "")
        let document = try result.document()
        let onHost = try host.plimsoll("--format", "json").document()["devices"].elements.map { $0["uuid"].string }
        #expect(document["devices"].elements.map { $0["uuid"].string } == cards.map { onHost[$0] })
        #expect(document["devices"].elements.map { $0["index"].string } == cards.indices.map(String.init))
        #expect(document["place"]["kind"].string == "container")
        #expect(document["place"]["engine"].string == "Docker")
        #expect(document["place"]["id"].string?.count == 64)
        #expect(document["processesSeen"].string == "own")
        #expect(document["deviceNodes"].elements.count == cards.count + 1)
        #expect(try host.run(gpus: gpus, [], [tool, "check", "--require", String(cards.count)]).code == 0)
        let more = try host.run(gpus: gpus, [], [tool, "check", "--require", String(cards.count + 1)])
        #expect(more.code == 1)
        #expect(
            more.errors.contains("\(cards.count + 1) GPUs required, \(cards.count) found"))
    }

    @Test("A container that was given none is told how to be given one")
    func none() throws {
        let result = try ContainerHost().run([], [tool, "check"])
        #expect(result.code == 1)
        #expect(result.output.hasPrefix("No GPU can be used here.\n"))
        #expect(result.errors.contains("this container was given no GPU; start it with --gpus all"))
    }

    @Test("A device file without the driver's libraries is told apart from no GPU")
    func deviceAlone() throws {
        let host = try ContainerHost()
        let result = try host.run(
            ["--device", "\(try host.deviceFile("nvidia0", 0)):/dev/nvidia0"], [tool, "check"])
        #expect(result.code == 1)
        #expect(result.output.contains("files        /dev/nvidia0\n"))
        #expect(result.errors.contains("/dev/nvidia0 is here, but the driver library libnvidia-ml.so.1 is not"))
    }

    @Test("Libraries without a card (NVIDIA_VISIBLE_DEVICES=none) are a driver that has no device")
    func librariesAlone() throws {
        let host = try ContainerHost()
        let options = [
            "--device", "\(try host.deviceFile("nvidiactl", 255)):/dev/nvidiactl", "-v",
            "\(host.driver.libraries):/usr/lib/gpusim:ro", "-v", "\(host.driver.socketFolder):/run/gpusim", "-e",
            "LD_LIBRARY_PATH=/usr/lib/gpusim",
        ]
        let result = try host.run(options, [tool, "check"])
        #expect(result.code == 1)
        #expect(result.errors.contains("the driver reports no GPUs"))
    }

    @Test("A container that was given the management library alone (NVIDIA_DRIVER_CAPABILITIES) cannot use CUDA")
    func utilityAlone() throws {
        let result = try ContainerHost().run(
            gpus: "all", ["-e", "NVIDIA_DRIVER_CAPABILITIES=utility"], [tool, "check"])
        #expect(result.code == 1)
        #expect(result.output.contains("NVIDIA GeForce RTX 4090"))
        #expect(result.errors.contains("NVIDIA_DRIVER_CAPABILITIES is 'utility', but 'compute' is needed"))
    }

    @Test(
        "The limits of a container are told, and that they are not the GPU's",
        .enabled(if: RealCgroups.limitRAM, "the controllers of RAM and CPUs are not here"))
    func limits() throws {
        let result = try ContainerHost().run(gpus: "all", ["-m", "256m", "--cpus", "1.5"], [tool, "check"])
        #expect(result.output.contains("RAM 256MiB, 1.5 CPUs; these limits do not apply to GPU memory"))
    }

    @Test(
        "Every generation of drivers, from inside: check, and a command by process or by the device",
        arguments: [
            ("v100-r440", "none"), ("t4-r470", "none"), ("a10-r525", "none"), ("rtx3090-r535", "none"),
            ("l4-r535", "none"),
            ("h100-r570", "own"), ("short-records", "own"),
        ])
    func generations(_ name: String, _ seen: String) throws {
        let host = try ContainerHost(simulating: name)
        let check = try host.run(gpus: "all", [], [tool, "check", "--format", "json"])
        #expect(check.code == 0)
        #expect(try check.document()["processesSeen"].string == seen)
        func measured() throws -> JSONDocument {
            let script = "sleep 0.2; \(hold) --for 1.5 0:500MiB"
            let (_, report) = try host.report(["--interval", "20ms"], ["sh", "-c", script])
            return report["devices"][0]
        }
        var device = try measured()
        // On a busy machine the reading before the command may take too long, and is not waited for.
        for _ in 0..<3 where device["measuredBy"].isNull { device = try measured() }
        #expect(device["measuredBy"].string == (seen == "own" ? "process" : "device"))
        let whole = (try host.plimsoll("--format", "json").document())["devices"][0]["memory"]["totalBytes"].integer
        #expect(device["totalBytes"].integer == whole)
        let peak = try #require(device["peakBytes"].integer)
        #expect(peak > 500 * mebibyte && peak < 1200 * mebibyte)
    }

    // MARK: alloc

    @Test("The host's ledger rises while a container allocates, and returns when it is stopped")
    func allocates() throws {
        let host = try ContainerHost()
        try host.start("holder", gpus: "all", command: [tool, "alloc", "2GiB", "--hold", "60s"])
        try host.wait("the ledger rises") { try host.heldBytes("holder") == 2048 * mebibyte + context }
        // It is the container's first process, to which the kernel sends no signal that it does not ask for.
        try RealDocker.docker("stop", "-t", "5", host.name("holder"))
        let code = try RealDocker.docker("inspect", "-f", "{{.State.ExitCode}}", host.name("holder")).output
        #expect(code == "143\n")
        try host.wait("it returns") { try host.heldBytes("holder") == nil }
        #expect(try host.usedBytes() == 36 * mebibyte)
    }

    @Test("In a container too it is told what was charged, and out of memory is exit code 1")
    func charged() throws {
        let host = try ContainerHost()
        let fits = try host.run(gpus: "1", [], [tool, "alloc", "1000x1000", "--format", "json"])
        #expect(fits.code == 0)
        #expect(fits.errors == "")
        #expect(try fits.document()["allocatedBytes"].integer == 4 * mebibyte)
        #expect(try fits.document()["contextBytes"].integer == context)
        let larger = try host.run(gpus: "1", [], [tool, "alloc", "30GiB"])
        #expect(larger.code == 1)
        #expect(larger.errors.contains("out of memory on GPU 0: requested 30GiB; of 23.99GiB 23.57GiB was free"))
        #expect(try host.usedBytes() == 36 * mebibyte, "nothing is left allocated")
    }

    @Test("Another container's memory is met: not taken from it, and not named where it cannot be seen")
    func meets() throws {
        let host = try ContainerHost()
        try host.start("other", gpus: "all", command: [hold, "0:19GiB"])
        try host.wait("the other holds") { try host.heldBytes("other") != nil }
        let greedy = try host.run(gpus: "1", [], [tool, "alloc", "4GiB"])
        #expect(greedy.code == 1)
        #expect(greedy.errors.contains(", less than 5%, would be left for them; to allocate anyway, use --force"))
        #expect(try host.run(gpus: "1", [], [tool, "alloc", "--max"]).code == 1)
        #expect(try host.run(gpus: "1", [], [tool, "alloc", "1GiB"]).code == 0)
        let blind = try host.run(gpus: "1", [], [tool, "alloc", "8GiB"])
        #expect(blind.code == 1)
        #expect(blind.errors.contains("other holders are not visible from here"))
        let seeing = try host.run(gpus: "1", ["--pid=host"], [tool, "alloc", "8GiB"])
        #expect(seeing.code == 1)
        #expect(seeing.errors.contains(" holds 19.37GiB"))
        #expect(try host.heldBytes("other") == 19456 * mebibyte + context)
    }

    // MARK: run

    @Test(
        "A command that forks and leaves a daemon behind: all of them count, and the container's exit code is the command's"
    )
    func forks() throws {
        let script = "(setsid sh -c '(\(hold) --for 4 0:100MiB &)' &); \(hold) --children 2 --for 3 0:50MiB; exit 7"
        let (result, report) = try ContainerHost().report(["--interval", "20ms"], ["sh", "-c", script])
        #expect(result.code == 7)
        #expect(report["scope"].string == "container")
        #expect(report["devices"][0]["peakBytes"].integer == 100 * mebibyte + 3 * 50 * mebibyte + 4 * context)
        #expect(report["devices"][0]["processes"].integer == 4)
        #expect(report["remaining"]["processes"].integer == 1)
    }

    @Test("What else runs in the container counts with the command; what runs in another does not")
    func wholeContainer() throws {
        let host = try ContainerHost()
        try host.start("other", gpus: "all", command: [hold, "0:1GiB"])
        let reports = ["-v", "\(try host.reports()):/reports"]
        try host.start(
            "watched", gpus: "all", options: reports,
            command: [tool, "run", "--report", "/reports/r.json", "--", "sleep", "60"])
        try host.wait("it runs") { try RealDocker.docker("top", host.name("watched")).output.contains("sleep 60") }
        try RealDocker.docker("exec", host.name("watched"), hold, "--for", "0.5", "0:300MiB")
        // As the first process of the container it is the one that is told to stop, and the command gets it.
        try RealDocker.docker("stop", "-t", "5", host.name("watched"))
        let code = try RealDocker.docker("inspect", "-f", "{{.State.ExitCode}}", host.name("watched")).output
        #expect(code == "143\n")
        let report = try host.readReport()
        #expect(report["signal"].integer == Int64(SIGTERM))
        #expect(report["devices"][0]["peakBytes"].integer == 300 * mebibyte + context)
    }

    @Test("A command that runs out of memory, and one that a signal ends")
    func fails() throws {
        let host = try ContainerHost()
        let (full, ofFull) = try host.report([], ["sh", "-c", "\(hold) --for 1.5 0:3GiB && \(hold) 0:40GiB"])
        #expect(full.code == 1)
        #expect(full.output.contains("CUDA error 2"))
        #expect(ofFull["devices"][0]["peakBytes"].integer == 3072 * mebibyte + context)
        let (killed, ofKilled) = try host.report([], ["sh", "-c", "\(hold) --for 1.5 0:3GiB; kill -KILL $$"])
        #expect(killed.code == 137)
        #expect(ofKilled["signal"].integer == Int64(SIGKILL))
        #expect(ofKilled["devices"][0]["peakBytes"].integer == 3072 * mebibyte + context)
    }

    @Test("What cannot be run, and a report that cannot be written, have docker run's exit codes")
    func notRun() throws {
        let host = try ContainerHost()
        #expect(try host.run(gpus: "all", [], [tool, "run", "--", "no-such-command"]).code == 127)
        #expect(try host.run(gpus: "all", [], [tool, "run", "--", "/etc/passwd"]).code == 126)
        #expect(
            try host.run(gpus: "all", [], [tool, "run", "--report", "/nowhere/r.json", "--", "sleep", "0"]).code
                == 125)
    }
}

extension ContainerHost {
    fileprivate func run(_ options: [String], _ command: [String]) throws -> ProgramResult {
        try run(gpus: nil, options, command)
    }

    /// A device file of NVIDIA's numbers; nobody opens it.
    fileprivate func deviceFile(_ name: String, _ minor: Int) throws -> String {
        let path = scratch.path(name)
        let made = try TestSupport.run(program: "/usr/bin/env", ["mknod", path, "c", "195", String(minor)])
        guard made.code == 0 else { throw Unexpected("mknod: \(made.errors)") }
        return path
    }

    fileprivate func reports() throws -> String {
        let folder = scratch.path("reports")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }

    fileprivate func readReport() throws -> JSONDocument {
        try JSONDocument(String(contentsOfFile: scratch.path("reports/r.json"), encoding: .utf8))
    }

    /// `plimsoll run` as a container's command, with every GPU, and its report.
    fileprivate func report(
        _ options: [String], _ command: [String]
    ) throws -> (result: ProgramResult, report: JSONDocument) {
        let result = try run(
            gpus: "all", ["-v", "\(try reports()):/reports"],
            [tool, "run", "--report", "/reports/r.json"] + options + ["--"] + command)
        return (result, try readReport())
    }

    /// What the host's ledger says of a container, on the first card; nil where it has no row.
    fileprivate func heldBytes(_ short: String) throws -> Int64? {
        let containers = try plimsoll("--format", "json").document()["containers"].elements
        return containers.first { $0["name"].string == name(short) }?["usage"][0]["bytes"].integer
    }

    fileprivate func usedBytes() throws -> Int64? {
        try plimsoll("--format", "json").document()["devices"][0]["memory"]["usedBytes"].integer
    }
}

/// Who a container is, as it is told inside.
@Suite(.serialized, .enabled(if: RealDocker.absenceOfGPUs == nil, "\(RealDocker.absenceOfGPUs ?? "")"))
struct OwnPlaceTests {
    @Test("A container that shares another's network never takes itself for that one")
    func sharedNetwork() throws {
        let host = try ContainerHost()
        let other = try host.start("other", ["0:10MiB"])
        // Docker takes no second network.
        let options = host.options(gpus: "all").map { $0 == "none" ? "container:\(host.name("other"))" : $0 }
        let script =
            "\(hold) 0:100MiB > /held & for i in 1 2 3 4 5 6 7 8 9; do grep -q holding /held && break; sleep 0.5; done; \(tool) --format json"
        let result = try RealDocker.docker(["run", "--rm"] + options + [host.image, "sh", "-c", script])
        let document = try result.document()
        #expect(document["containers"].elements.count == 1)
        let container = document["containers"][0]
        #expect(container["id"].string != other)
        #expect(container["id"].isNull == RealCgroups.areUnified)
        #expect(container["runtime"].string == "docker")
        #expect(container["usage"][0]["bytes"].integer == 100 * mebibyte + context)
        #expect(document["devices"][0]["ledger"]["hiddenBytes"].integer == 0)
    }
}
