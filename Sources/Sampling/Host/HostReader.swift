import ContainerRuntimes
import Glibc
import HostFS
import Ledger
import Synchronization

/// Answers questions about the host's files, in a child process. Every reading can hang, so each is a call of a job: what
/// has not answered at the deadline is unknown, and the rest is sent.
final class HostReader: Sendable {
    private let proc: ProcFS
    private let cgroups: CgroupFS
    private let watch: ProcessWatch
    private let watchdog: Watchdog
    private let hanging = HangingReadings()

    init(procfs: String, sysfs: String, _ watchdog: Watchdog) {
        proc = ProcFS(root: procfs)
        cgroups = CgroupFS(sysfs: sysfs)
        watch = ProcessWatch(proc, cgroups)
        self.watchdog = watchdog
    }

    /// - Parameters:
    ///   - deadline: in seconds of the monotonic clock.
    ///   - reply: called once, on some thread.
    func answer(_ question: HostQuestion, until deadline: Double, _ reply: @escaping @Sendable (HostAnswer) -> Void) {
        let task = Task(deadline: deadline, watchdog: watchdog, hanging: hanging, reply: reply)
        switch question {
        case .surroundings: surroundings(task)
        case .deviceMemory: deviceMemory(task)
        case .processes(let pids, let sample, let forgets, let whole):
            watch.begin(sample: sample, forgets: forgets)
            processes(pids, whole: whole, task)
        case .insidePIDs(let pids): insidePIDs(Set(pids), task)
        case .threads(let threads): processes(ofThreads: threads, task)
        case .ancestors(let pids, let last):
            let climb: @Sendable (UInt32) -> [UInt32]? = { [proc] in proc.ancestors(of: $0, upTo: last) }
            task.gather(pids, key: { "ancestors \($0)" }, climb) { chains in
                let known = zip(pids, chains).compactMap { pid, chain in chain.flatMap { $0 }.map { (pid, $0) } }
                reply(.ancestors(Dictionary(known, uniquingKeysWith: { first, _ in first })))
            }
        case .commandLines(let keys):
            let read: @Sendable (HostQuestion.ProcessKey) -> String? = { [proc] in
                proc.commandLine(of: $0.pid, startedAt: $0.startTick)
            }
            task.gather(keys, key: { "process \($0.pid)" }, read) { lines in
                let known = zip(keys, lines).compactMap { key, line in line.flatMap { $0 }.map { (key.pid, $0) } }
                reply(.commandLines(Dictionary(known, uniquingKeysWith: { first, _ in first })))
            }
        case .runtimeEnvironment(let minors): runtimeEnvironment(minors, task)
        case .dockerContext(let environment):
            task.gather([environment], key: { _ in "docker" }, DockerContext.current) { contexts in
                reply(contexts[0].map { .dockerContext($0) } ?? .silent)
            }
        case .engine(let socket, let seconds):
            task.gather([socket], key: { "engine \($0)" }, { Self.ask($0, within: seconds) }) { answers in
                reply(answers[0] ?? .silent)
            }
        }
    }

    private static func ask(_ socket: String, within seconds: Double) -> HostAnswer {
        var clock = Stopwatch()
        do throws(EngineError) {
            let engine = try DockerEngine(socket: socket).containers(within: seconds)
            return .engine(engine, seconds: clock.lap())
        } catch {
            let trouble = EngineTrouble(
                message: error.description, isAbsence: error.isAbsence, isForbidden: error.isForbidden)
            return .noEngine(trouble, seconds: clock.lap())
        }
    }

    static let silence = Reason.Fact.filesSilent

    // MARK: Surroundings

    private func surroundings(_ task: Task) {
        let proc = proc
        let read: @Sendable () -> Reading<ProcessView> = {
            do throws(FileError) {
                return .known(try proc.view())
            } catch {
                return .unknown(error.reason)
            }
        }
        enum Part: Sendable {
            case view(Reading<ProcessView>)
            case detail(@Sendable (inout ProcessView) -> Void)
            case memory(HostMemory?)
        }
        let readings: [@Sendable () -> Part] =
            [{ .view(read()) }, { .memory(proc.hostMemory()) }]
            + proc.viewParts.map { part in { @Sendable in .detail(part()) } }
        let numbered = readings.enumerated().map { (number: $0, read: $1) }
        task.gather(numbered, key: { "surroundings \($0.number)" }, { $0.read() }) { [root = proc.root] parts in
            var view: Reading<ProcessView> = .unknown(.at(path: root, Self.silence))
            var memory: HostMemory?
            for part in parts.compactMap(\.self) {
                switch part {
                case .view(let reported): view = reported
                case .memory(let reported): memory = reported
                case .detail(let note):
                    if case .known(var reported) = view {
                        note(&reported)
                        view = .known(reported)
                    }
                }
            }
            task.reply(.surroundings(view, memory))
        }
    }

    private func runtimeEnvironment(_ minors: [UInt32], _ task: Task) {
        let parts = RuntimeEnvironmentReader(proc, cgroups).parts(minors: minors)
        let numbered = parts.enumerated().map { (number: $0, read: $1) }
        task.gather(numbered, key: { "environment \($0.number)" }, { $0.read() }) { notes in
            var environment = RuntimeEnvironmentReader.unread(minors: minors, why: Self.silence)
            for note in notes.compactMap(\.self) { note(&environment) }
            task.reply(.runtimeEnvironment(environment))
        }
    }

    private func deviceMemory(_ task: Task) {
        // Stop early, so that what was found is sent in time.
        let seconds = (task.deadline - monotonicSeconds()) * 0.8
        task.gather([cgroups], key: { _ in "dmem" }, { $0.deviceMemory(within: seconds) }) { [self] reported in
            guard let charges = reported[0] else {
                task.reply(
                    .deviceMemory(DeviceMemoryCharges(cgroups: nil, trouble: .fact(Self.silence)), CgroupFacts()))
                return
            }
            // In the form of /proc/PID/cgroup, for the one hierarchy that has this controller.
            let texts = (charges.cgroups ?? []).filter { $0.path != "/" }.map { "0::\($0.path)\n" }
            facts(for: texts, task) { facts, _ in task.reply(.deviceMemory(charges, facts)) }
        }
    }

    // MARK: Processes

    private func processes(_ pids: [UInt32], whole: Bool, _ task: Task) {
        task.gather(pids, key: { "process \($0)" }, { [watch] in watch.process($0, whole: whole) }) { [self] reported in
            let reported = zip(pids, reported).compactMap { pid, reported in reported ?? .whole(unread(pid)) }
            complete(reported, task)
        }
    }

    /// Replaces a process that was not read.
    private func unread(_ pid: UInt32) -> ObservedProcess {
        .unreadable(pid, why: .at(path: "\(proc.root)/\(pid)", Self.silence))
    }

    /// With users' names, and the RAM limits of their containers, of those that were read anew.
    private func complete(_ reported: [SentProcess], _ task: Task) {
        let whole = reported.whole
        guard !whole.isEmpty else { return task.reply(.processes(reported, CgroupFacts())) }
        let same = reported.filter { if case .same = $0 { true } else { false } }
        // Who can make a cgroup decides whose the memory is; a user's name can wait.
        facts(for: whole.flatMap { [$0.cgroup.value, $0.namespaceCgroup].compactMap(\.self) }, task) {
            [self] facts, isWhole in
            // What was missed is sent with the next sample.
            if !isWhole { watch.resend(whole.map(\.pid)) }
            names(of: whole, task) { named in task.reply(.processes(named.map { .whole($0) } + same, facts)) }
        }
    }

    private func names(
        of processes: [ObservedProcess], _ task: Task, then: @escaping @Sendable ([ObservedProcess]) -> Void
    ) {
        // The users of another namespace's processes are not this one's.
        guard proc.isOwn else { return then(processes) }
        let users = Set(processes.compactMap { $0.user.flatMap { UInt32($0) } })
        let unknown = users.filter { UserNames.known($0) == nil }.sorted()
        task.gather(unknown, key: { "user \($0)" }, UserNames.lookUp) { _ in
            then(
                processes.map { process in
                    var process = process
                    process.user = process.user.map { number in UInt32(number).flatMap(UserNames.known) ?? number }
                    return process
                })
        }
    }

    /// - Parameter then: also receives whether all of it could be read.
    private func facts(for texts: [String], _ task: Task, then: @escaping @Sendable (CgroupFacts, Bool) -> Void) {
        var wanted: [CgroupFolder: Bool] = [:]
        var owned: Set<CgroupFolder> = []
        for text in Set(texts) {
            wanted.merge(CgroupMembership.limitFolders(cgroup: text)) { $0 || $1 }
            owned.formUnion(CgroupMembership.foldersOfClaims(cgroup: text))
        }
        let (limited, folders) = (Array(wanted), Array(owned))
        task.gather(folders, key: { "owner \($0.key)" }, { [watch] in watch.owner(of: $0) }) { [watch] owners in
            let known = zip(folders, owners).compactMap { folder, owner in
                owner.flatMap { $0 }.map { (folder.key, $0) }
            }
            task.gather(limited, key: { "limit \($0.key.key)" }, { [watch] in watch.limit(of: $0.key) }) { limits in
                let readings = zip(limited, limits).compactMap { folder, limit -> (String, Reading<Limit<UInt64>>)? in
                    // The root and slices have no limit of their own if the controller is off.
                    if !folder.value, limit?.reason?.isAbsence == true { return nil }
                    return (folder.key.key, limit ?? .unknown(.fact(Self.silence)))
                }
                let isWhole = !owners.contains { $0 == nil } && !limits.contains { $0 == nil }
                let facts = CgroupFacts(
                    limits: Dictionary(readings, uniquingKeysWith: { $1 }),
                    owners: Dictionary(known, uniquingKeysWith: { $1 }))
                then(facts, isWhole)
            }
        }
    }

    private func insidePIDs(_ pids: Set<UInt32>, _ task: Task) {
        let list: @Sendable (ProcFS) -> [UInt32]? = { try? $0.pids() }
        task.gather([proc], key: { _ in "list" }, list) { [self] listed in
            guard let all = listed[0].flatMap(\.self) else { return task.reply(.silent) }
            task.gather(all, key: { "process \($0)" }, { [proc] in proc.process($0) }) { [self] reported in
                let found = zip(all, reported).compactMap { pid, process in process ?? unread(pid) }
                // One that was not read may be meant.
                let meant = found.filter { process in
                    process.namespacePIDs.isEmpty || !pids.isDisjoint(with: process.namespacePIDs.dropFirst())
                }
                complete(meant.map { .whole($0) }, task)
            }
        }
    }
}

extension HostReader {
    /// A thread's own folder names its process. If the kernel does not serve it, the folders of all processes are
    /// searched.
    private func processes(ofThreads threads: [UInt32], _ task: Task) {
        let look: @Sendable (UInt32) -> UInt32? = { [proc] in proc.process(ofThread: $0) }
        task.gather(threads, key: { "process \($0)" }, look) { [proc] reported in
            let pairs = zip(threads, reported).compactMap { thread, process in
                process.flatMap { $0 }.map { (thread, $0) }
            }
            let known = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
            let list: @Sendable (ProcFS) -> [UInt32] = { $0.isKernels ? [] : (try? $0.pids()) ?? [] }
            task.gather([proc], key: { _ in "list" }, list) { listed in
                let wanted = Set(threads).subtracting(known.keys)
                let pids = wanted.isEmpty ? [] : listed[0] ?? []
                guard !pids.isEmpty else { return task.reply(.threads(known)) }
                task.gather(pids, key: { "threads \($0)" }, { proc.threads(of: $0) }) { reported in
                    var known = known
                    for (pid, threads) in zip(pids, reported) {
                        for thread in threads ?? [] where thread != pid && wanted.contains(thread) {
                            known[thread] = pid
                        }
                    }
                    task.reply(.threads(known))
                }
            }
        }
    }
}

/// What has not answered since an earlier question: it is not read again before it does, or every question would leave one
/// more thread behind there, and wait for it.
private final class HangingReadings: Sendable {
    private let keys = Mutex<Set<String>>([])

    func hangs(_ key: String) { keys.withLock { _ = $0.insert(key) } }
    func answers(_ key: String) { keys.withLock { if !$0.isEmpty { $0.remove(key) } } }
    /// None while nothing hangs, which is nearly always.
    var any: Set<String>? { keys.withLock { $0.isEmpty ? nil : $0 } }
}

/// A question in hand.
private struct Task: Sendable {
    let deadline: Double
    let watchdog: Watchdog
    let hanging: HangingReadings
    let reply: @Sendable (HostAnswer) -> Void

    /// Reads all items, one after another. Items that are not read at the deadline, and items that already hang, are nil.
    ///
    /// - Parameter key: identifies a reading.
    func gather<Item: Sendable, Value: Sendable>(
        _ items: [Item], key: @escaping @Sendable (Item) -> String, _ read: @escaping @Sendable (Item) -> Value,
        then: @escaping @Sendable ([Value?]) -> Void
    ) {
        let hangs = hanging.any
        let asked = items.indices.filter { hangs?.contains(key(items[$0])) != true }
        guard !asked.isEmpty else { return then(Array(repeating: nil, count: items.count)) }
        let shared = Shared(values: Mutex<[Value?]>(Array(repeating: nil, count: items.count)))
        let job = Job(asked.count, until: deadline) { [hanging] number in
            let value = read(items[asked[number]])
            shared.values.withLock { $0[asked[number]] = value }
            if hanging.any != nil { hanging.answers(key(items[asked[number]])) }
        } finish: { [hanging] running in
            for number in running { hanging.hangs(key(items[asked[number]])) }
            let reported = shared.values.withLock { $0 }
            // It came while that was noted.
            for number in running where reported[asked[number]] != nil {
                hanging.answers(key(items[asked[number]]))
            }
            then(reported)
        }
        watchdog.run(job)
    }

    private final class Shared<Value: Sendable>: Sendable {
        let values: Mutex<[Value?]>
        init(values: consuming Mutex<[Value?]>) { self.values = values }
    }
}
