// swift-tools-version: 6.2
import PackageDescription

// One target per module; `dependencies` are the floors of docs/internals/architecture.md. Every target under
// Sources/EngineCore also compiles as Embedded Swift (`make kernel-check`), so none imports Foundation or Glibc.

/// Without these, no `package` function is inlined into another target, not even an `@inlinable` one: outside Embedded Swift
/// only package-wide optimisation serialises their bodies, and that wants a resilient module. What it warns of concerns
/// textual interfaces, which nobody makes; the debug build shows every other warning.
let linuxOptimisation = [
    "-Xfrontend", "-enable-library-evolution", "-Xfrontend", "-package-cmo", "-Xfrontend",
    "-allow-non-resilient-access", "-suppress-warnings",
]

/// Embedded Swift carries every body to the modules above, which would each optimise and compile all that is below them
/// again. So for bare metal a library is bodies alone, unoptimised and without machine code, and the executable's module
/// optimises and compiles what it reaches, once. Set DBKERNEL_METAL=1 in the environment of builds for bare metal (SwiftPM
/// takes a triple without an operating system for Linux, so a platform condition cannot tell).
let isMetal = Context.environment["DBKERNEL_METAL"] != nil
let metalBodies = [
    "-Onone", "-assert-config", "Release", "-Xfrontend", "-emit-empty-object-file", "-no-emit-module-separately-wmo",
]
let metalImage = ["-Osize", "-assert-config", "Release", "-Xfrontend", "-mergeable-traps"]

/// Warnings are errors in continuous integration, whose debug build shows them all.
let strictness: [SwiftSetting] =
    Context.environment["CI"] != nil && !isMetal ? [.treatAllWarnings(as: .error, .when(configuration: .debug))] : []

/// With deliberate bugs to choose from (Platform/Mutation.swift), for scripts/mutants alone. Optimised module by module, which takes
/// half as long as a release build.
let mutations: [SwiftSetting] =
    Context.environment["DBKERNEL_MUTATIONS"] != nil ? [.define("MUTATIONS"), .unsafeFlags(["-O"])] : []

/// For scripts/fuzz alone, which links libFuzzer's archive at the path that DBKERNEL_FUZZ holds. Optimised module by module, with the
/// checks of a debug build; only the engine's modules tell libFuzzer how far an input came.
let fuzzer = Context.environment["DBKERNEL_FUZZ"]
let checkedOptimisation: [SwiftSetting] = fuzzer != nil ? [.unsafeFlags(["-O", "-assert-config", "Debug"])] : []
let coverage: [SwiftSetting] = fuzzer != nil ? [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])] : []

/// Dynamic exclusivity checking keeps its state per thread and so cannot follow a fiber switch.
let common: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .unsafeFlags(["-enforce-exclusivity=unchecked"]),
        .unsafeFlags(isMetal ? metalBodies : linuxOptimisation, .when(configuration: .release)),
    ] + strictness + mutations + checkedOptimisation

/// The Ring-0 images' own modules.
let image: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .unsafeFlags(["-enforce-exclusivity=unchecked"] + metalImage),
]

/// An engine module in `Sources/EngineCore/<folder>`.
func engine(_ name: String, in folder: String? = nil, _ dependencies: [String]) -> Target {
    .target(
        name: name, dependencies: dependencies.map { .byName(name: $0) }, path: "Sources/EngineCore/\(folder ?? name)",
        swiftSettings: common + coverage)
}

/// The Ring-0 image and what only it needs; nothing of it builds for Linux.
let metalTargets: [Target] = [
    .target(
        name: "Boot", path: "boot", exclude: ["kernel.ld", "toolset.json"], sources: ["boot.S"],
        publicHeadersPath: "include"),
    .target(name: "CMetal", cSettings: [.unsafeFlags(["-O2"])]),
    .target(
        name: "MetalPlatform", dependencies: ["Platform", "NetworkEngine", "CMetal", "CPrimitives"],
        swiftSettings: common),
    .executableTarget(
        name: "dbkernel-kernel",
        dependencies: ["Boot", "MetalPlatform", "Platform", "EngineCore", "Runtime"],
        swiftSettings: image),
    .executableTarget(
        name: "dbkernel-selftest", dependencies: ["Boot", "MetalPlatform", "Platform", "SharedSuite"],
        swiftSettings: image),
]

/// What feeds the targets of Tests/Fuzz.
let fuzzDriver: [Target] = [
    .systemLibrary(name: "CFuzzer", path: "Tests/Fuzz/CFuzzer"),
    .executableTarget(
        name: "dbkernel-fuzz", dependencies: ["CFuzzer", "FuzzTargets"], path: "Tests/Fuzz/Driver",
        swiftSettings: common,
        linkerSettings: [.unsafeFlags([fuzzer ?? ""]), .linkedLibrary("stdc++")]),
]

let package = Package(
    name: "dbkernel",
    products: isMetal
        ? [
            .executable(name: "dbkernel-kernel", targets: ["dbkernel-kernel"]),
            .executable(name: "dbkernel-selftest", targets: ["dbkernel-selftest"]),
        ] : [.executable(name: "dbkernel-sim", targets: ["dbkernel-sim"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
    ],
    targets: [
        .target(name: "CPrimitives", cSettings: [.unsafeFlags(["-msse4.2", "-O2"])]),
        .target(name: "CLinux", linkerSettings: [.linkedLibrary("uring"), .linkedLibrary("numa")]),

        // 0 ground
        engine("Platform", []),
        engine("LockFree", ["Platform", "CPrimitives"]),
        engine("ArenaAlloc", ["Platform"]),
        engine("NUMAMemory", ["Platform"]),
        engine("Telemetry", ["Platform", "CPrimitives"]),
        engine("Fibers", ["Platform", "Telemetry", "CPrimitives"]),
        // 1 devices
        engine("IOBatching", ["Platform"]),
        engine("IOScheduler", ["Platform", "IOBatching"]),
        engine("NetworkEngine", ["Platform"]),
        engine("AsyncIO", ["Platform", "Fibers", "IOBatching", "IOScheduler", "Telemetry"]),
        // 2 storage
        engine("DirectStorage", ["Platform", "Fibers", "IOScheduler", "AsyncIO", "CPrimitives"]),
        engine("LayoutManager", ["Platform", "IOScheduler", "AsyncIO", "DirectStorage"]),
        // 3 pages and log
        engine(
            "WALEngine",
            [
                "Platform", "Fibers", "AsyncIO", "IOScheduler", "DirectStorage", "CPrimitives",
            ]),
        engine(
            "BufferPool",
            [
                "Platform", "Fibers", "IOBatching", "AsyncIO", "IOScheduler", "DirectStorage",
                "LayoutManager",
                "WALEngine", "Telemetry", "CPrimitives",
            ]),
        // 4 transactions
        engine(
            "BTree",
            [
                "Platform", "Fibers", "IOBatching", "IOScheduler", "AsyncIO", "DirectStorage", "WALEngine",
                "BufferPool", "CPrimitives",
            ]),
        engine(
            "MVCC",
            [
                "Platform", "Telemetry", "Fibers", "IOScheduler", "AsyncIO", "DirectStorage", "WALEngine",
                "BufferPool", "BTree", "CPrimitives",
            ]),
        // 5 tables
        engine(
            "MultiEngine", ["Platform", "Fibers", "BufferPool", "BTree", "MVCC", "WALEngine", "SQLTypes"]),
        // 6 language
        engine("SQLTypes", in: "SQL/Types", ["Platform", "ArenaAlloc"]),
        engine("SQLSyntax", in: "SQL/Syntax", ["Platform", "CPrimitives"]),
        engine(
            "SQL", in: "SQL/Planner",
            ["Platform", "SQLTypes", "SQLSyntax"]),
        // 7 query
        engine(
            "QueryExec",
            [
                "Platform", "Fibers", "ArenaAlloc", "SQLTypes", "SQL", "BTree", "MultiEngine", "MVCC",
            ]),
        // 8 instances
        engine(
            "Runtime",
            [
                "Platform", "Telemetry", "Fibers", "ArenaAlloc", "AsyncIO", "IOScheduler", "DirectStorage",
                "LayoutManager",
                "WALEngine",
                "BufferPool", "BTree", "MVCC", "MultiEngine", "SQLTypes", "SQLSyntax", "SQL", "QueryExec",
                "CPrimitives",
            ]),
        // 9 service
        engine(
            "PostgresWire",
            ["Platform", "Fibers", "SQLTypes", "SQL", "QueryExec", "Runtime"]),
        // 10 assembly
        engine(
            "Shell",
            ["Platform", "Fibers", "SQLTypes", "SQL", "QueryExec", "Runtime", "PostgresWire"]),
        engine("EngineCore", ["Platform", "Fibers", "Runtime", "PostgresWire", "Shell"]),

        .target(
            name: "SimulatedPlatform", dependencies: ["Platform", "Fibers", "NetworkEngine", "CLinux", "CPrimitives"],
            swiftSettings: common),
        .target(
            name: "Simulation",
            dependencies: [
                "Platform", "Fibers", "AsyncIO", "DirectStorage", "LayoutManager", "WALEngine", "Runtime", "EngineCore",
                "NetworkEngine", "PostgresWire", "SharedSuite", "SimulatedPlatform",
            ],
            swiftSettings: common),
        .target(
            name: "HostPlatform", dependencies: ["Platform", "NetworkEngine", "CLinux", "CPrimitives"],
            swiftSettings: common),
        .target(
            name: "SharedSuite",
            dependencies: [
                "Platform", "Fibers", "LockFree", "NUMAMemory", "ArenaAlloc", "Telemetry", "AsyncIO", "IOBatching",
                "IOScheduler", "DirectStorage",
                "LayoutManager", "WALEngine", "BufferPool", "BTree", "MVCC", "MultiEngine", "SQLTypes", "SQLSyntax",
                "SQL",
                "QueryExec", "Runtime", "Shell", "NetworkEngine", "CPrimitives",
            ],
            path: "Tests/SharedSuite", swiftSettings: common),
        .executableTarget(
            name: "dbkernel-sim",
            dependencies: [
                "Platform", "Fibers", "EngineCore", "HostPlatform", "SharedSuite", "Simulation", "CLinux", "Runtime",
                "BTree", "BufferPool",
                "MVCC",
                "MultiEngine", "WALEngine",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: common),
        .target(
            name: "FuzzTargets",
            dependencies: [
                "Platform", "Fibers", "AsyncIO", "NetworkEngine", "DirectStorage", "WALEngine", "Runtime",
                "PostgresWire", "SharedSuite", "Telemetry",
                "CLinux", "CPrimitives",
            ],
            path: "Tests/Fuzz/Targets", swiftSettings: common),
        .testTarget(
            name: "HostTests", dependencies: ["SharedSuite", "FuzzTargets", "HostPlatform", "Platform", "Fibers"],
            swiftSettings: common),
    ] + (isMetal ? metalTargets : []) + (fuzzer != nil ? fuzzDriver : [])
)
