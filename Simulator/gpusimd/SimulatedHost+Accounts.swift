import CSimulator
import Glibc

/// What the driver's accounting mode records about a process on a device.
struct Account {
    /// Peak memory, in bytes.
    var peak: UInt64 = 0
    /// Microseconds since 1970.
    let began: UInt64

    init() {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        began = UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
    }
}

// As in open-gpu-kernel-modules (gpu_acct.c): ended processes are searched before running ones. Of several ended
// processes with one PID, the last is kept. A caller in another PID namespace does not see ended processes.
extension SimulatedHost.Client {
    mutating func keepAccount(on number: Int, of device: SimulatedHost.Device) {
        guard device.keepsAccounts else { return }
        var account = accounts[number] ?? Account()
        account.peak = max(account.peak, held(on: number, context: device.context))
        accounts[number] = account
    }
}

extension SimulatedHost {
    /// - Returns: an nvmlReturn_t, and the PIDs that have an account.
    func accountedProcesses(on number: Int, askedBy fd: Int32) -> (code: Int32, processes: [sim_process]) {
        guard devices.indices.contains(number), devices[number].keepsAccounts else { return (3, []) }
        guard !isLost(number) else { return (15, []) }
        var pids = Set(isOfHost(fd) ? devices[number].endedAccounts.keys.map { $0 } : [])
        for client in clients.values where client.accounts[number] != nil {
            if let pid = pid(of: client, seenBy: fd) { pids.insert(pid) }
        }
        return (
            0,
            pids.sorted().prefix(Int(SIM_MAX_PROCESSES)).map { pid in
                sim_process(pid: pid, gpu_instance: SIM_NONE, compute_instance: SIM_NONE, padding: 0, bytes: 0)
            }
        )
    }

    /// - Returns: an nvmlReturn_t, and the account.
    func account(
        of pid: UInt32, on number: Int, askedBy fd: Int32
    ) -> (code: Int32, peak: UInt64, began: UInt64, isRunning: UInt32) {
        let (notSupported, notFound, gpuIsLost): (Int32, Int32, Int32) = (3, 6, 15)
        guard devices.indices.contains(number), devices[number].keepsAccounts else { return (notSupported, 0, 0, 0) }
        guard !isLost(number) else { return (gpuIsLost, 0, 0, 0) }
        if isOfHost(fd), let ended = devices[number].endedAccounts[pid] { return (0, ended.peak, ended.began, 0) }
        let running = clients.values.first { client in
            client.accounts[number] != nil && self.pid(of: client, seenBy: fd) == pid
        }
        guard let account = running?.accounts[number] else { return (notFound, 0, 0, 0) }
        return (0, account.peak, account.began, 1)
    }
}
