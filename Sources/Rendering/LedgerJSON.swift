import Ledger

extension Snapshot {
    /// The document of `ledger --format json`, version 1: every key is always there, in this order.
    package var json: JSON {
        .object([
            ("schemaVersion", .integer(1)), ("time", .string(timestamp(time))), ("host", .string(host)),
            ("devices", .array(devices.map(\.json))),
            ("containers", .array(containers.map { $0.json(devices) })),
            ("processes", .array(processes.map { $0.json(self) })),
            ("sources", .array(sources.map(\.json))),
        ])
    }
}

extension Device {
    var json: JSON {
        .object([
            ("index", .string(index)), ("uuid", .string(uuid)), ("name", .string(name)),
            ("vendor", .string(vendor.rawValue)), ("pci", .string(pci)), ("parent", .string(parent)),
            (
                "memory",
                .object([
                    ("kind", .string(memory.kind.rawValue)), ("totalBytes", .integer(memory.total)),
                    ("usedBytes", .integer(memory.used)), ("reservedBytes", .integer(memory.reserved)),
                    ("freeBytes", .integer(memory.free)), ("sharedWith", .string(memory.sharedWith)),
                    ("source", .string(memory.source)), ("unavailable", .string(memory.unavailable?.text)),
                    ("setAsideBytes", .integer(memory.carveout)),
                    ("contradiction", .string(memory.contradiction?.text)),
                ])
            ),
            ("utilizationPercent", .integer(utilizationPercent.map(Int64.init))),
            (
                "ledger",
                .object([
                    ("containersBytes", .integer(ledger.containers)), ("hostBytes", .integer(ledger.host)),
                    ("goneBytes", .integer(ledger.gone)), ("hiddenBytes", .integer(ledger.hidden)),
                    ("instancesBytes", .integer(ledger.instances)),
                    ("unattributedBytes", .integer(ledger.unattributed)), ("complete", .bool(ledger.complete)),
                ])
            ),
        ])
    }
}

extension Container {
    fileprivate func json(_ devices: [Device]) -> JSON {
        .object([
            ("id", .string(id == Container.ownWithoutID ? nil : id)), ("name", .string(name)),
            ("image", .string(image)),
            ("runtime", .string(runtime.rawValue)), ("known", .bool(known)),
            ("parents", .array(parents.map { .string($0) })), ("composeProject", .string(composeProject)),
            ("composeService", .string(composeService)), ("ramLimitBytes", .integer(ramLimit)),
            ("ramLimitUnavailable", .string(ramLimitUnavailable?.text)),
            (
                "usage",
                .array(
                    usage.map { usage in
                        .object([
                            ("device", .string(devices[usage.device].reference)), ("bytes", .integer(usage.bytes)),
                            ("complete", .bool(usage.complete)), ("unavailable", .string(usage.unavailable?.text)),
                            ("limitBytes", .integer(usage.limit)), ("source", .string(usage.source)),
                            ("pids", .array(usage.pids.map { .integer(Int64($0)) })),
                        ])
                    })
            ),
            ("verified", .bool(verified)), ("likelyId", .string(likelyID)),
            ("idUnavailable", .string(idUnavailable?.text)),
        ])
    }
}

extension GPUProcess {
    fileprivate func json(_ snapshot: Snapshot) -> JSON {
        let isUnnamed = container == Container.ownWithoutID
        let whyUnnamed = isUnnamed ? snapshot.containers.first { $0.id == container }?.idUnavailable : nil
        return .object([
            ("pid", .integer(Int64(pid))), ("startTime", .string(startTime.flatMap(timestamp))),
            ("nsPids", .array(namespacePIDs.map { .integer(Int64($0)) })), ("name", .string(name)),
            ("user", .string(user)), ("device", .string(snapshot.devices[device].reference)),
            ("bytes", .integer(bytes)),
            ("unavailable", .string(unavailable?.text)), ("types", .array(types.map { .string($0.rawValue) })),
            ("holder", .string(holder.rawValue)),
            ("container", .string(isUnnamed ? nil : container)),
            ("evictedBytes", .integer(evicted)), ("countedWith", .integer(countedWith.map(Int64.init))),
            ("complete", .bool(complete)), ("unrecognizedCgroup", .string(unrecognizedCgroup)),
            ("namespaceContainer", .string(namespaceContainer)),
            ("containerUnavailable", .string(whyUnnamed?.text)),
        ])
    }
}

extension SourceReport {
    fileprivate var json: JSON {
        .object([
            ("name", .string(name)), ("ok", .bool(ok)), ("seconds", .number((seconds * 1e6).rounded() / 1e6)),
            ("error", .string(sentence)),
        ])
    }
}

extension SourceReport {
    /// The error of the source, and from when the names in use are if an earlier answer replaces its answer; nil if there
    /// is no error.
    package var sentence: String? {
        error.map { reason in
            let since = answeredAt.flatMap(timestamp).map { "; its containers have the names of \($0)" } ?? ""
            return reason.text + since
        }
    }
}
