import Ledger

/// UUID, name and PCI address of GPUs as last reported, by key: a lost GPU does not report them any more.
struct KnownIdentities {
    private struct Identity {
        var uuid: String?
        var name: String?
        var pci: String?
    }

    private var known: [String: Identity] = [:]
    private var count: Int?

    /// Notes what GPUs report about themselves, and fills in what one of them did not report this time.
    ///
    /// - Parameter devices: a GPU, and then its instances.
    mutating func completed(_ devices: [ObservedDevice], of key: String) -> [ObservedDevice] {
        guard let gpu = devices.first else { return devices }
        if gpu.uuid != nil {
            known[key] = Identity(uuid: gpu.uuid, name: gpu.name ?? known[key]?.name, pci: gpu.pci ?? known[key]?.pci)
        }
        return [completed(gpu, of: key)] + devices.dropFirst()
    }

    /// A driver that has another number of GPUs than before may have given their numbers to others.
    mutating func completed(_ inventory: Inventory) -> Inventory {
        if count != inventory.gpus.count { known = [:] }
        count = inventory.gpus.count
        var inventory = inventory
        for index in inventory.gpus.indices {
            inventory.gpus[index].unread = completed(inventory.gpus[index].unread, of: inventory.gpus[index].key)
        }
        return inventory
    }

    private func completed(_ gpu: ObservedDevice, of key: String) -> ObservedDevice {
        guard let identity = known[key], gpu.uuid == nil || gpu.uuid == identity.uuid else { return gpu }
        var gpu = gpu
        gpu.uuid = identity.uuid
        gpu.name = gpu.name ?? identity.name
        gpu.pci = gpu.pci ?? identity.pci
        return gpu
    }
}
