import ContainerRuntimes
import Glibc
import HostFS
import Ledger
import Synchronization

/// Answers questions about the host's files, in a child. Every reading can hang, so each is a call of a job: what has not
/// answered at the deadline is unknown, and the rest is told.
final class HostReader: Sendable {
    private let proc: ProcFS
    private let cgroups: CgroupFS
    private let watch: ProcessWatch
    private let watchdog: Watchdog

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
        let task = Task(deadline: deadline, watchdog: watchdog, reply: reply)
        switch question {
        case .surroundings: surroundings(task)
        case .deviceMemory: deviceMemory(task)
        case .processes(let pids, let sample, let forgets):
            watch.begin(sample: sample, forgets: forgets)
            processes(pids, task)
        case .insidePIDs(let pids): insidePIDs(Set(pids), task)
        case .ancestors(let pids, let last):
            task.gather(pids) { [proc] in
                proc.ancestors(of: $0, upTo: last)
            } then: { chains, _ in
                let known = zip(pids, chains).compactMap { pid, chain in chain.map { (pid, $0) } }
                reply(.ancestors(Dictionary(known, uniquingKeysWith: { first, _ in first })))
            }
        case .commandLines(let keys):
            task.gather(keys) { [proc] in
                proc.commandLine(of: $0.pid, startedAt: $0.startTick)
            } then: { lines, _ in
                let known = zip(keys, lines).compactMap { key, line in line.flatMap { $0 }.map { (key.pid, $0) } }
                reply(.commandLines(Dictionary(known, uniquingKeysWith: { first, _ in first })))
            }
        case .whereabouts(let minors): whereabouts(minors, task)
        case .dockerContext(let environment):
            task.gather([environment], DockerContext.current) { contexts, _ in
                reply(contexts[0].map { .dockerContext($0) } ?? .failed(Self.silence))
            }
        }
    }

    static let silence = "its files gave no answer in time"

    // MARK: Surroundings

    private func surroundings(_ task: Task) {
        let proc = proc
        let read: @Sendable () -> Reading<ProcessView> = {
            do throws(FileError) {
                return .known(try proc.view())
            } catch {
                return .unknown(error.description)
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
        task.gather(readings, { $0() }) { [root = proc.root] parts, _ in
            var view: Reading<ProcessView> = .unknown("\(root): \(Self.silence)")
            var memory: HostMemory?
            for part in parts.compactMap(\.self) {
                switch part {
                case .view(let told): view = told
                case .memory(let told): memory = told
                case .detail(let note):
                    if case .known(var told) = view {
                        note(&told)
                        view = .known(told)
                    }
                }
            }
            task.reply(.surroundings(view, memory))
        }
    }

    private func whereabouts(_ minors: [UInt32], _ task: Task) {
        let parts = WhereaboutsReader(proc, cgroups).parts(minors: minors)
        task.gather(parts, { $0() }) { notes, _ in
            var place = WhereaboutsReader.unread(minors: minors, why: Self.silence)
            for note in notes.compactMap(\.self) { note(&place) }
            task.reply(.whereabouts(place))
        }
    }

    private func deviceMemory(_ task: Task) {
        // What was walked by then is still told in time.
        let seconds = (task.deadline - monotonicSeconds()) * 0.8
        task.gather([cgroups], { $0.deviceMemory(within: seconds) }) { [self] told, _ in
            guard let charges = told[0] else {
                task.reply(.deviceMemory(DeviceMemoryCharges(cgroups: nil, trouble: Self.silence), []))
                return
            }
            // As /proc/PID/cgroup would tell it on the one hierarchy that has this controller.
            let texts = (charges.cgroups ?? []).filter { !$0.current.isEmpty && $0.path != "/" }.map {
                "0::\($0.path)\n"
            }
            limits(for: texts, task) { task.reply(.deviceMemory(charges, $0)) }
        }
    }

    // MARK: Processes

    private func processes(_ pids: [UInt32], _ task: Task) {
        let hanging = watch.hanging(among: pids)
        let asked = hanging.isEmpty ? pids : pids.filter { !hanging.contains($0) }
        let watch = watch
        task.gather(asked, { watch.process($0) }, hangs: watch.hangs, answers: watch.answered) { [self] told, left in
            var found = told.compactMap { $0.flatMap { $0 } }
            found += hanging.union(left.running.union(left.waiting).filter { told[$0] == nil }.map { asked[$0] })
                .sorted().map {
                    .unreadable($0, why: "\(proc.root)/\($0): \(Self.silence)")
                }
            complete(found, task)
        }
    }

    /// With users' names, and the RAM limits of their containers.
    private func complete(_ processes: [ObservedProcess], _ task: Task) {
        names(of: processes, task) { [self] named in
            limits(for: named.compactMap(\.cgroup.value), task) { task.reply(.processes(named, $0)) }
        }
    }

    private func names(
        of processes: [ObservedProcess], _ task: Task, then: @escaping @Sendable ([ObservedProcess]) -> Void
    ) {
        // The users of another namespace's processes are not this one's.
        guard proc.isOwn else { return then(processes) }
        let users = Set(processes.compactMap { $0.user.flatMap { UInt32($0) } })
        let unknown = users.filter { UserNames.known($0) == nil && watch.beginsLookingUp($0) }
        let lookUp: @Sendable (UInt32) -> Void = { [watch] user in
            UserNames.lookUp(user)
            watch.endsLookingUp(user)
        }
        let unknownInOrder = unknown.sorted()
        task.gather(unknownInOrder, lookUp) { [watch] _, left in
            for number in left.waiting { watch.endsLookingUp(unknownInOrder[number]) }
            then(
                processes.map { process in
                    var process = process
                    process.user = process.user.map { number in UInt32(number).flatMap(UserNames.known) ?? number }
                    return process
                })
        }
    }

    private func limits(
        for texts: [String], _ task: Task, then: @escaping @Sendable ([RAMLimitReading]) -> Void
    ) {
        var wanted: [(container: String, cgroup: String)] = []
        for text in Set(texts).sorted() {
            for container in ProcessWatch.containers(in: text) { wanted.append((container, text)) }
        }
        let keys = wanted
        task.gather(keys, { [watch] in watch.limit(of: $0.container, cgroup: $0.cgroup) }) { limits, _ in
            then(
                zip(keys, limits).map { key, limit in
                    limit
                        ?? RAMLimitReading(
                            container: key.container, cgroup: key.cgroup, limit: .unknown(Self.silence))
                })
        }
    }

    private func insidePIDs(_ pids: Set<UInt32>, _ task: Task) {
        let list: @Sendable (ProcFS) -> [UInt32] = { (try? $0.pids()) ?? [] }
        task.gather([proc], list) { [self] listed, _ in
            let all = listed[0] ?? []
            let read: @Sendable (UInt32) -> ObservedProcess? = { [proc] pid in
                proc.process(pid).flatMap { pids.isDisjoint(with: $0.namespacePIDs.dropFirst()) ? nil : $0 }
            }
            task.gather(all, read) { [self] told, _ in complete(told.compactMap { $0.flatMap { $0 } }, task) }
        }
    }
}

/// A question in hand.
private struct Task: Sendable {
    let deadline: Double
    let watchdog: Watchdog
    let reply: @Sendable (HostAnswer) -> Void

    /// Reads all items, one after another; those that are not read at the deadline are nil.
    ///
    /// - Parameters:
    ///   - hangs: is told of each whose reading has not returned at the deadline.
    ///   - answers: is told of each whose reading returns, if need be after that.
    func gather<Item: Sendable, Value: Sendable>(
        _ items: [Item], _ read: @escaping @Sendable (Item) -> Value,
        hangs: @escaping @Sendable (Item) -> Void = { _ in }, answers: @escaping @Sendable (Item) -> Void = { _ in },
        then: @escaping @Sendable ([Value?], Job.Left) -> Void
    ) {
        guard !items.isEmpty else { return then([], Job.Left()) }
        let values = Mutex<[Value?]>(Array(repeating: nil, count: items.count))
        let shared = Shared(values: values)
        let job = Job(items.count, until: deadline) { number in
            let value = read(items[number])
            shared.values.withLock { $0[number] = value }
            answers(items[number])
        } finish: { left in
            for number in left.running { hangs(items[number]) }
            let told = shared.values.withLock { $0 }
            // It came while that was noted.
            for number in left.running where told[number] != nil { answers(items[number]) }
            then(told, left)
        }
        watchdog.run(job)
    }

    private final class Shared<Value: Sendable>: Sendable {
        let values: Mutex<[Value?]>
        init(values: consuming Mutex<[Value?]>) { self.values = values }
    }
}
