// swift-tools-version: 6.2
import PackageDescription

// The folder list tells the way of the data: drivers, /proc and container engines in, one snapshot, many faces out.
// Imports point down this list, never up. See docs/architecture.md.

/// Every target of ours: a warning is an error. Dependencies are spared, since the setting is per target.
let strict: [SwiftSetting] = [.treatAllWarnings(as: .error), .swiftLanguageMode(.v6)]
let strictC: [CSetting] = [.treatAllWarnings(as: .error)]

/// A program that can be copied into any glibc container: the Swift runtime goes inside it.
let selfContained: [LinkerSetting] = [
    // lld comes with the toolchain; the default linker warns of a function that Foundation holds and we do not call. Without
    // a fixed address 40,000 places are relocated at every start, which takes as long as reading a host's processes.
    .unsafeFlags(["-static-stdlib", "-use-ld=lld", "-Xclang-linker", "-no-pie"]),
    // Nothing loads our symbols; exported ones are kept even if unused. Functions with the same code are linked once.
    .unsafeFlags(["-Xlinker", "--no-export-dynamic", "-Xlinker", "--icf=all"], .when(configuration: .release)),
    // Named by FoundationEssentials' module only where a whole build is static.
    .linkedLibrary("_FoundationCShims"), .linkedLibrary("_FoundationCollections"),
    .linkedLibrary("swiftSynchronization"),
]

/// Code that loads into other people's processes: Embedded Swift, which needs nothing but libc and is built whole.
let embedded: [SwiftSetting] = strict + [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo"])]

/// What a generation of drivers added to the simulated management library, upon those before it.
func nvml(_ generation: String, after earlier: [String]) -> Target {
    .target(
        name: "NVML\(generation)",
        dependencies: ["CSimulator"] + earlier.map { Target.Dependency(stringLiteral: "NVML\($0)") },
        path: "Simulator/SimulatedNVML/\(generation)", swiftSettings: embedded)
}

let package = Package(
    name: "plimsoll",
    products: [
        .executable(name: "plimsoll", targets: ["plimsoll"]),
        .executable(name: "gpusimd", targets: ["gpusimd"]),
        .executable(name: "gpusim-hold", targets: ["gpusim-hold"]),
        // One for each generation of drivers, by what it exports; the last two are of R545 and later, and of R615 and later. The first is of none.
        .library(name: "SimulatedNVML-NoLists", type: .dynamic, targets: ["NVMLCore"]),
        .library(name: "SimulatedNVML-R440", type: .dynamic, targets: ["NVMLR440"]),
        .library(name: "SimulatedNVML-R450", type: .dynamic, targets: ["NVMLR450"]),
        .library(name: "SimulatedNVML-R510", type: .dynamic, targets: ["NVMLR510"]),
        .library(name: "SimulatedNVML-R535", type: .dynamic, targets: ["NVMLR535"]),
        .library(name: "SimulatedNVML", type: .dynamic, targets: ["NVMLR545"]),
        .library(name: "SimulatedNVML-R615", type: .dynamic, targets: ["NVMLR615"]),
        .library(name: "SimulatedCUDA", type: .dynamic, targets: ["SimulatedCUDA"]),
        .library(name: "SimulatedDRM", type: .dynamic, targets: ["SimulatedDRM"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // What the Swift runtime takes of glibc that is newer than 2.34, for the product alone.
        .target(name: "COlderGlibc", cSettings: strictC),
        .target(name: "CProcess", cSettings: strictC),
        .target(name: "CNVML", cSettings: strictC),
        .target(name: "CCUDA", cSettings: strictC),
        .target(name: "CDRM", cSettings: strictC),
        .target(name: "Ledger", swiftSettings: strict),
        .target(name: "HostFS", dependencies: ["CProcess", "Ledger"], swiftSettings: strict),
        .target(name: "GPUDrivers", dependencies: ["CNVML", "CDRM", "HostFS", "Ledger"], swiftSettings: strict),
        .target(name: "ContainerRuntimes", dependencies: ["HostFS", "Ledger"], swiftSettings: strict),
        .target(
            name: "Sampling", dependencies: ["CProcess", "GPUDrivers", "ContainerRuntimes", "HostFS", "Ledger"],
            swiftSettings: strict),
        .target(
            name: "Probe", dependencies: ["CCUDA", "CProcess", "GPUDrivers", "Sampling", "HostFS", "Ledger"],
            swiftSettings: strict),
        .target(name: "Rendering", dependencies: ["Ledger"], swiftSettings: strict),
        // The options that say how a host is read, for every program that reads one.
        .target(
            name: "HostOptions",
            dependencies: [
                "Sampling", "ContainerRuntimes", "Ledger",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "plimsoll",
            dependencies: [
                "CProcess", "HostOptions", "Probe", "Sampling", "ContainerRuntimes", "Rendering", "HostFS", "Ledger",
                "COlderGlibc",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict, linkerSettings: selfContained),

        // The simulated GPU, for the tests and the demo; never linked into the product.
        .target(name: "CSimulator", path: "Simulator/CSimulator", cSettings: strictC),
        nvml("Core", after: []), nvml("R440", after: ["Core"]), nvml("R450", after: ["Core", "R440"]),
        nvml("R510", after: ["Core", "R440", "R450"]), nvml("R535", after: ["Core", "R510"]),
        nvml("R545", after: ["Core", "R535"]), nvml("R615", after: ["Core", "R545"]),
        .target(
            name: "SimulatedCUDA", dependencies: ["CSimulator"], path: "Simulator/SimulatedCUDA",
            swiftSettings: embedded),
        .target(name: "SimulatedDRM", dependencies: ["CDRM"], path: "Simulator/SimulatedDRM", cSettings: strictC),
        .target(name: "HostDescription", path: "Simulator/HostDescription", swiftSettings: strict),
        .executableTarget(
            name: "gpusimd", dependencies: ["CSimulator", "HostDescription"], path: "Simulator/gpusimd",
            swiftSettings: strict, linkerSettings: selfContained),
        .executableTarget(
            name: "gpusim-hold", dependencies: ["CSimulator"], path: "Simulator/gpusim-hold",
            swiftSettings: strict, linkerSettings: selfContained),

        // `make bench`: Plimsoll's times beside those of the least that such a program must do.
        .executableTarget(
            name: "bench",
            dependencies: ["Sampling", "Rendering", "ContainerRuntimes", "Ledger", "HostDescription"],
            path: "Benchmarks/bench",
            swiftSettings: strict, linkerSettings: selfContained),

        // Inputs that are almost right, into every parser of what others write.
        .executableTarget(
            name: "fuzz",
            dependencies: [
                "Probe", "Sampling", "ContainerRuntimes", "Rendering", "HostFS", "Ledger", "SeededGenerator",
            ],
            path: "Fuzz",
            swiftSettings: strict, linkerSettings: selfContained),

        // Random numbers for tests and fuzzing that are the same in every run.
        .target(name: "SeededGenerator", path: "Tests/SeededGenerator", swiftSettings: strict),
        // Shared by the tests: the built program, made-up hosts, the simulated driver, a simulated engine.
        .target(
            name: "TestSupport", dependencies: ["HostDescription", "Ledger"], path: "Tests/Support",
            swiftSettings: strict),
        .testTarget(name: "LedgerTests", dependencies: ["Ledger", "SeededGenerator"], swiftSettings: strict),
        .testTarget(
            name: "HostFSTests", dependencies: ["HostFS", "Ledger", "SeededGenerator", "TestSupport"],
            swiftSettings: strict),
        .testTarget(name: "GPUDriversTests", dependencies: ["GPUDrivers", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "ContainerRuntimesTests", dependencies: ["ContainerRuntimes", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "ProbeTests", dependencies: ["Probe"], swiftSettings: strict),
        .testTarget(name: "SamplingTests", dependencies: ["Sampling", "Ledger"], swiftSettings: strict),
        .testTarget(
            name: "RenderingTests", dependencies: ["Rendering", "SeededGenerator", "TestSupport"], swiftSettings: strict
        ),
        .testTarget(name: "ProgramTests", dependencies: ["Sampling", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "EndToEndTests", dependencies: ["TestSupport"], swiftSettings: strict),
    ]
)
