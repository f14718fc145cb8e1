import Glibc
import Ledger
import Synchronization

extension ProcFS {
    /// Reads a process; nil if it does not exist or has ended. Its user is a number.
    ///
    /// Its files are read through one open folder. An open /proc/PID always belongs to the same process and returns ESRCH
    /// after that has ended, so no answer can come from another process that got the PID.
    package func process(_ pid: UInt32) -> ObservedProcess? {
        let path = "\(root)/\(pid)"
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else {
            let error = FileError(path: path, code: errno)
            return error.isAbsent ? nil : .unreadable(pid, why: error.reason)
        }
        defer { close(folder) }

        func text(_ name: String) -> Result<String, FileError> {
            do throws(FileError) {
                return .success(try FileReading.text(name, in: folder, named: "\(path)/\(name)"))
            } catch {
                return .failure(error)
            }
        }

        let stat: ProcessStat
        switch text("stat") {
        case .success(let content):
            guard let parsed = ProcessStat(content) else {
                return .unreadable(pid, why: .at(path: "\(path)/stat", .notUnderstood))
            }
            stat = parsed
        case .failure(let error):
            // With hidepid=1 the folder is there, and its files are not ours to read.
            return error.isAbsent ? nil : .unreadable(pid, why: error.reason)
        }

        let living = stat.isDead ? livingThread(of: path) : nil
        let cgroup: Reading<String>
        switch text(living.map { "task/\($0)/cgroup" } ?? "cgroup") {
        case .success(let content): cgroup = .known(content.capped(at: TextLimit.cgroup))
        case .failure(let error) where !error.isAbsent: cgroup = .unknown(error.reason)
        case .failure: return nil
        }
        let status = (try? text("status").get()).map(ProcessStatus.init)
        // A thread has such a folder too, which only no list shows.
        if let leader = status?.threadGroup, leader != pid { return nil }
        var process = ObservedProcess(
            pid: pid, startTick: stat.startTick, isDead: stat.isDead && living == nil, cgroup: cgroup,
            namespacePIDs: status?.namespacePIDs ?? [], name: stat.name,
            user: status?.effectiveUser.map(String.init))
        if process.namespacePIDs.count > 1, let cgroup = cgroup.value,
            CgroupMembership(cgroup: cgroup).containers.isEmpty
        {
            process.pidNamespace = FileReading.link("ns/pid", in: folder).flatMap(namespaceInode)
        }
        return process
    }

    /// The cgroup text of the first process of each PID namespace that can be seen, by its inode. Hardly anybody moves that one.
    package func cgroupsOfFirstProcesses() -> [UInt64: String] {
        var cgroups: [UInt64: String] = [:]
        for pid in (try? pids()) ?? [] {
            let folder = "\(root)/\(pid)"
            guard let status = (try? FileReading.text("\(folder)/status")).map(ProcessStatus.init),
                status.namespacePIDs.last == 1,
                let namespace = FileReading.link("\(folder)/ns/pid").flatMap(namespaceInode),
                let text = try? FileReading.text("\(folder)/cgroup")
            else { continue }
            cgroups[namespace] = text.capped(at: TextLimit.cgroup)
        }
        return cgroups
    }

    /// Reads again only what can change while a process lives: its name, and little else. nil if the PID is another
    /// process or none, or if the leader is dead: then the process must be read completely.
    package func refreshed(_ process: ObservedProcess) -> ObservedProcess? {
        guard let stat = (try? FileReading.text("\(root)/\(process.pid)/stat")).flatMap(ProcessStat.init),
            stat.startTick == process.startTick, !stat.isDead, !process.isDead
        else { return nil }
        var process = process
        process.name = stat.name
        return process
    }

    /// A program whose leader has ended lives on in its other threads; the leader is then a zombie with their PID.
    private func livingThread(of path: String) -> String? {
        guard let threads = try? FileReading.names(in: "\(path)/task") else { return nil }
        return threads.first { thread in
            let stat = (try? FileReading.text("\(path)/task/\(thread)/stat")).flatMap(ProcessStat.init)
            return stat.map { !$0.isDead } ?? false
        }
    }

    /// The process that a thread belongs to; nil for one that is no thread, or is the first of its process and has its PID.
    package func process(ofThread thread: UInt32) -> UInt32? {
        let status = (try? FileReading.text("\(root)/\(thread)/status")).map(ProcessStatus.init)
        return status?.threadGroup.flatMap { $0 == thread ? nil : $0 }
    }

    /// The threads of a process, with the first, which has its PID.
    package func threads(of pid: UInt32) -> [UInt32] {
        ((try? FileReading.names(in: "\(root)/\(pid)/task")) ?? []).compactMap { UInt32($0) }
    }

    /// The parents of a process, nearest first, up to `last` or the first process: empty for one that is no more, nil if one of
    /// them cannot be read.
    package func ancestors(of pid: UInt32, upTo last: UInt32) -> [UInt32]? {
        // If one on the way ends while we climb, its children have got another parent: from the start again.
        for _ in 0..<3 {
            var chain: [UInt32] = []
            do throws(FileError) {
                while chain.count < 1000, let next = try parent(of: chain.last ?? pid) {
                    if next == 0 { return chain }
                    chain.append(next)
                    if next == last || next == 1 { return chain }
                }
            } catch {
                return nil
            }
        }
        return []
    }

    /// nil for a process that is no more.
    private func parent(of pid: UInt32) throws(FileError) -> UInt32? {
        do throws(FileError) {
            return ProcessStat(try FileReading.text("\(root)/\(pid)/stat"))?.parent
        } catch {
            if error.isAbsent { return nil }
            throw error
        }
    }

    /// The command line, if `pid` is still the process that started at `startTick`.
    package func commandLine(of pid: UInt32, startedAt startTick: Int64) -> String? {
        guard let text = try? FileReading.text("\(root)/\(pid)/cmdline"),
            let stat = (try? FileReading.text("\(root)/\(pid)/stat")).flatMap(ProcessStat.init),
            stat.startTick == startTick
        else { return nil }
        return HostFS.commandLine(text)
    }
}

extension ObservedProcess {
    /// A process that exists but cannot be read.
    package static func unreadable(_ pid: UInt32, why: Reason) -> ObservedProcess {
        ObservedProcess(pid: pid, startTick: 0, cgroup: .unknown(why))
    }
}

/// The host's names of users, each asked for once: a directory service may answer slowly, or never.
package enum UserNames {
    private static let known = Mutex<[UInt32: String]>([:])

    /// nil for one that was not looked up yet.
    package static func known(_ user: UInt32) -> String? { known.withLock { $0[user] } }

    /// Looks the name up; the number stands for a user that has none.
    package static func lookUp(_ user: UInt32) {
        let name = name(of: user)
        known.withLock { $0[user] = name }
    }

    private static func name(of user: UInt32) -> String {
        var record = passwd()
        var result: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16384)
        return buffer.withUnsafeMutableBufferPointer { bytes in
            // The name lies in the buffer.
            guard getpwuid_r(user, &record, bytes.baseAddress!, bytes.count, &result) == 0, result != nil,
                let name = record.pw_name
            else { return String(user) }
            return String(cString: name).capped(at: TextLimit.userName)
        }
    }
}
