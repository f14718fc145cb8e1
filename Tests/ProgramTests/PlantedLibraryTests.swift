import Foundation
import TestSupport
import Testing

/// A folder that somebody else can write to: the built program, and libraries that were put beside it.
private final class PlantedFolder {
    let host: RunningHost
    var scratch: Scratch { host.tree.scratch }
    let program: String

    init() throws {
        host = try HostTree().card(
            "Planted card", uuid: "GPU-0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", total: 4096, processes: []
        ).start()
        let files = FileManager.default
        program = host.tree.scratch.path("beside/plimsoll")
        let folder = host.tree.scratch.path("beside")
        try files.copyItem(atPath: host.driver.libraries, toPath: folder)
        try files.copyItem(atPath: Build.plimsoll, toPath: program)
        // The Docker plugin is a link to the program, and has planted libraries of its own beside it.
        try files.copyItem(atPath: host.driver.libraries, toPath: host.tree.scratch.path("plugins"))
        try files.createSymbolicLink(
            atPath: host.tree.scratch.path("plugins/docker-gpu"), withDestinationPath: program)
    }

    /// Whoever loads a planted library is answered by the simulated driver.
    func environment(_ more: [String: String] = [:]) -> [String: String] {
        var environment = host.environment.merging(["PLIMSOLL_PROCFS": "/proc"].merging(more) { $1 }) { $1 }
        environment["PLIMSOLL_NVML_LIBRARY"] = nil
        return environment
    }

    /// The program started by that name, in that folder.
    func run(_ name: String, _ arguments: [String], in folder: String) throws -> ProgramResult {
        let script = "cd \(scratch.path(folder)) && exec \(name) \"$@\""
        let plugin = name.hasSuffix("docker-gpu") ? ["gpu"] : []
        return try TestSupport.run(
            program: "/bin/sh", ["-c", script, "sh"] + plugin + arguments, environment: environment())
    }
}

/// What plain `swift build` gives: the package manager adds $ORIGIN, and no manifest can turn that off. `make` does.
private let isLinkedByMake: Bool = {
    let header = try? run(program: "/usr/bin/objdump", ["-p", Build.plimsoll])
    return header.map { !$0.output.contains("$ORIGIN") } ?? true
}()

@Suite(
    "A library beside the program is not loaded",
    .enabled(
        if: isLinkedByMake || ProcessInfo.processInfo.environment["CI"] != nil,
        "plain `swift build` linked it with RUNPATH $ORIGIN; type: make test"))
struct PlantedLibraryTests {
    private static let starts = [
        ("beside/plimsoll", "."), ("./plimsoll", "beside"), ("plugins/docker-gpu", "."), ("./docker-gpu", "plugins"),
    ]

    @Test("The simulated driver answers whoever does load the planted libraries")
    func control() throws {
        let folder = try PlantedFolder()
        let environment = folder.environment(["LD_LIBRARY_PATH": folder.scratch.path("beside")])
        #expect(try run(program: folder.program, [], environment: environment).output.contains("Planted card"))
        #expect(try run(program: folder.program, ["alloc", "1MiB"], environment: environment).code == 0)
    }

    @Test(
        "Neither the driver's management library nor CUDA's, wherever and as whatever it is started", arguments: starts)
    func driverLibraries(_ name: String, _ folderName: String) throws {
        let folder = try PlantedFolder()
        for arguments in [
            ["ledger"], ["stats", "--no-stream"], ["check"], ["alloc", "1MiB"], ["run", "--", "true"],
            // A bare name is looked for by the loader, and not in the current folder.
            ["ledger", "--nvml-library", "libnvidia-ml.so.1"],
        ] {
            let result = try folder.run(name, arguments, in: folderName)
            for text in [result.output, result.errors] {
                #expect(!text.contains("Planted card"), "\(arguments)")
                #expect(!text.contains(folder.scratch.path("")), "\(arguments): \(text)")
            }
        }
    }

    @Test("Nor one of those that the program itself needs", arguments: starts)
    func neededLibraries(_ name: String, _ folderName: String) throws {
        let folder = try PlantedFolder()
        for library in ["libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libc.so.6"] {
            // The loader refuses a file that is no library, and the program would not start.
            for place in ["beside", "plugins"] { try folder.scratch.write("", to: "\(place)/\(library)") }
        }
        let result = try folder.run(name, ["--version"], in: folderName)
        #expect(result.code == 0, "\(result.errors)")
    }
}

struct BinaryTests {
    private static func isHere(_ program: String) -> Bool { access(program, X_OK) == 0 }

    @Test(
        "make links every program without a search path for libraries",
        .enabled(if: isHere("/usr/bin/make"), "there is no make here"))
    func makefile() throws {
        let lines = try run(
            program: "/usr/bin/make", ["-C", Build.package.path, "-n", "-B", "build", "test", "fuzz", "man"]
        ).output.split(separator: "\n").filter { $0.hasPrefix("swift build") }
        #expect(lines.count == 4)
        #expect(lines.allSatisfy { $0.contains("--disable-local-rpath") }, "\(lines)")
    }

    @Test(
        "make links a program again that plain swift build linked",
        .enabled(if: isHere("/usr/bin/make"), "there is no make here"))
    func relinked() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        for (name, text, isBuilt) in [("plain", "ELF\0 $ORIGIN\0", true), ("made", "ELF\0", false)] {
            try scratch.write(text, to: name)
            let lines = try run(
                program: "/usr/bin/make", ["-C", Build.package.path, "-n", "build", "RELEASE=\(scratch.path(name))"]
            ).output
            #expect(lines.contains("swift build --disable-local-rpath") == isBuilt, "\(name): \(lines)")
        }
    }

    @Test("A program with a search path for libraries is not installed, also where there are no tools to look at it")
    func notInstalled() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let script = Build.package.appending(path: "scripts/install.sh").path
        func install(_ program: String) throws -> ProgramResult {
            let folders = ["bin", "share", "plugins"].map(scratch.path)
            return try run(program: "/bin/sh", [script, program] + folders)
        }
        for (name, text) in [("plain", "#!/bin/sh\n# $ORIGIN\n"), ("made", "#!/bin/sh\n")] {
            try scratch.write(text, to: name)
            chmod(scratch.path(name), 0o755)
        }
        let refused = try install(scratch.path("plain"))
        #expect(refused.code == 1)
        #expect(refused.errors.contains("\(scratch.path("plain")) looks for libraries in folders of its own"))
        #expect(access(scratch.path("bin/plimsoll"), F_OK) != 0)
        let installed = try install(scratch.path("made"))
        #expect(installed.code == 0, "\(installed.errors)")
        #expect(access(scratch.path("bin/plimsoll"), X_OK) == 0)
    }

    @Test(
        "A program with a search path for libraries is not handed out",
        .enabled(if: isHere("/usr/bin/objdump"), "there is no objdump here; type: sudo apt install binutils"))
    func checkedBinary() throws {
        let script = Build.package.appending(path: "scripts/check-binary.sh").path
        // The tests themselves need Swift's libraries, and look for them in the toolchain.
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let refused = try run(program: "/bin/sh", [script, tests])
        #expect(refused.code == 1)
        #expect(refused.errors.contains("\(tests) looks for libraries in folders of its own: RUNPATH "))
        guard isLinkedByMake else { return }
        #expect(!(try run(program: "/bin/sh", [script, Build.plimsoll])).errors.contains("looks for libraries"))
    }
}
