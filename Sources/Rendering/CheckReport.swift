import Ledger

/// What `plimsoll check` tells of the place where it runs: which GPUs can be used here, and what brought them.
package struct CheckReport {
    let snapshot: Snapshot
    let place: Whereabouts
    let view: ProcessView
    private let required: Int
    private let amount: (bytes: Bytes, words: String)?

    /// - Parameters:
    ///   - required: how many GPUs there must be at least.
    ///   - amount: the memory in all that each of these must have, and as it was typed.
    package init(
        _ snapshot: Snapshot, _ place: Whereabouts, _ view: ProcessView, requiring required: Int,
        of amount: (bytes: Bytes, words: String)?
    ) {
        self.snapshot = snapshot
        self.place = place
        self.view = view
        self.required = required
        self.amount = amount
    }

    package enum Verdict {
        case usable
        case unusable(String)
        case unknown(String)
    }

    package var verdict: Verdict {
        if let whyUnknown { return .unknown(whyUnknown) }
        if let whyNone { return .unusable(whyNone) }
        let enough = visible.filter { room in
            guard let amount else { return true }
            return (snapshot.devices[room.carrier].memory.total).map { $0 >= amount.bytes } ?? false
        }
        guard enough.count < required else { return .usable }
        let wanted = required == 1 ? "a GPU" : "\(required) GPUs"
        let memory = amount.map { " of \($0.words) or more" } ?? ""
        let there = enough.isEmpty ? "there is none" : enough.count == 1 ? "there is one" : "there are \(enough.count)"
        return .unusable("\(wanted)\(memory) must be here, and \(there)")
    }

    /// The devices that a program can be put on: NVIDIA's that answer, and others whose device file can be opened.
    var usable: [Room] {
        snapshot.rooms(on: nil).filter { room in
            let device = snapshot.devices[room.device]
            if device.driver != nil { return device.renderMinors.contains { place.renderNodes[$0]?.value != nil } }
            return snapshot.devices[room.carrier].memory.total != nil
        }
    }

    /// Of these the ones that programs are shown.
    var visible: [Room] {
        let cuda = whyNoCUDA == nil ? visibleToCUDA : []
        return usable.filter { cuda.contains($0) || !isNVIDIAs($0) }
    }

    private func isNVIDIAs(_ room: Room) -> Bool { snapshot.devices[room.device].driver == nil }

    /// Those that CUDA shows to programs here, where CUDA_VISIBLE_DEVICES chooses; else all of them, though of a divided GPU a
    /// program is shown one instance.
    ///
    /// The variable names them by number or by the beginning of the UUID, up to the first that is none (CUDA C++ Programming
    /// Guide, "CUDA Environment Variables"). The numbers are in CUDA's own order, in which faster devices may come first: on a
    /// host of unlike cards the numbers here may be others'. A number of a divided GPU is its first instance, and no more than
    /// one is shown (NVIDIA, MIG User Guide, "CUDA Device Enumeration").
    private var visibleToCUDA: [Room] {
        let usable = usable.filter(isNVIDIAs)
        guard let chosen = variable("CUDA_VISIBLE_DEVICES") else { return usable }
        var visible: [Room] = []
        for word in chosen.split(separator: ",", omittingEmptySubsequences: false) {
            guard let room = room(named: word.filter { $0 != " " }, usable), !visible.contains(room) else { break }
            visible.append(room)
            if snapshot.devices[room.device].parent != nil { break }
        }
        return visible
    }

    private func room(named name: String, _ usable: [Room]) -> Room? {
        guard let number = Int(name) else {
            return usable.first { room in
                name.count > 4 && snapshot.devices[room.device].uuid?.lowercased().hasPrefix(name.lowercased()) == true
            }
        }
        let gpus = snapshot.devices.indices.filter {
            snapshot.devices[$0].parent == nil && snapshot.devices[$0].driver == nil
        }
        guard gpus.indices.contains(number) else { return nil }
        let gpu = gpus[number]
        return usable.first { room in
            room.device == gpu
                || (snapshot.devices[room.device].parent).map { $0 == snapshot.devices[gpu].uuid } == true
        }
    }

    private func variable(_ name: String) -> String? { place.variables.first { $0.name == name }?.value }

    private func library(_ name: String) -> DriverLibrary? { place.libraries.first { $0.name.hasPrefix(name) } }

    /// Why it cannot be told: CUDA is there, and not the library that tells of devices.
    var whyUnknown: String? {
        guard usable.isEmpty, library("libcuda")?.file.value != nil, let why = library("libnvidia-ml")?.file.reason
        else {
            return nil
        }
        return ("CUDA's library is here, and which GPUs it has cannot be told: \(why)" + lacking("utility")).cleaned
    }

    private func lacking(_ capability: String) -> String {
        guard let chosen = variable("NVIDIA_DRIVER_CAPABILITIES"),
            !chosen.split(separator: ",").contains(where: { ["all", Substring(capability)].contains($0) })
        else { return "" }
        return "; NVIDIA_DRIVER_CAPABILITIES is '\(chosen)', and it takes '\(capability)'"
    }

    /// Why no program can use one.
    var whyNone: String? {
        guard visible.isEmpty else { return nil }
        return usable.isEmpty ? whyNotOpened ?? whyNoDevice : whyNoCUDA ?? whyNotShown
    }

    /// In a container /sys shows the GPUs of the whole machine, and /dev those that it was given.
    private var whyNotOpened: String? {
        let others = snapshot.rooms(on: nil).map { snapshot.devices[$0.device] }.filter { $0.driver != nil }
        guard let first = others.first else { return nil }
        let refusals = others.flatMap(\.renderMinors).compactMap { place.renderNodes[$0]?.reason }
        if let refusal = refusals.first(where: { !$0.hasSuffix("No such file or directory") }) {
            return
                "\(refusal.cleaned): the user must be in the group of that file (often render; docker run --group-add)"
        }
        guard let missing = refusals.first else { return "this machine has a GPU, and no device file that opens it" }
        let compute = place.computeNode.reason.flatMap { why in first.vendor == .amd ? "; for HIP \(why)" : nil } ?? ""
        return place.kind == .container
            ? "this machine has a GPU, and this container was not given it (docker run --device …): \(missing)\(compute)"
            : "this machine has a GPU, and its device file is not here: \(missing)"
    }

    /// What HIP programs need beside the device file; nil where no GPU of AMD's is here.
    var rocm: String? {
        guard visible.contains(where: { snapshot.devices[$0.device].vendor == .amd }) else { return nil }
        switch place.computeNode {
        case .known(let path): return "HIP programs can use it: \(path) can be opened"
        case .unknown(let why): return "no HIP program can use it: \(why) (a container is given it with --device)"
        }
    }

    private var whyNoDevice: String {
        if !snapshot.devices.isEmpty, snapshot.devices.allSatisfy(\.isDivided) {
            return RoomRows.nowhere(nil, in: snapshot)
        }
        let nodes = place.deviceNodes.first
        guard let library = place.libraries.first else { return "no library of a driver was looked for" }
        guard library.file.value != nil else {
            if let nodes {
                return
                    "\(nodes) is here and the driver's \(library.name) is not: the device was given without the driver "
                    + "(--device); with the NVIDIA Container Toolkit, --gpus all gives both"
            }
            return place.kind == .container
                ? "this container was given no GPU: start it with --gpus all, or with nvidia.com/gpu=all as a CDI device"
                : "there is no NVIDIA driver here"
        }
        let error = snapshot.driverError ?? "the driver has no device"
        return error + (nodes == nil ? "; no device file of a GPU is here" : "")
    }

    private var whyNoCUDA: String? {
        guard let reason = library("libcuda")?.file.reason else { return nil }
        return ("no program can use CUDA here: \(reason)" + lacking("compute")).cleaned
    }

    private var whyNotShown: String? {
        guard visibleToCUDA.isEmpty, let chosen = variable("CUDA_VISIBLE_DEVICES") else { return nil }
        return "CUDA_VISIBLE_DEVICES is '\(chosen.cleaned)', which names none of the GPUs here: programs are shown none"
    }
}
