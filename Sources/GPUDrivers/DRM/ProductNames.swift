/// Product names of GPUs that are common in servers and at home, by PCI vendor and device id; if one id is sold under
/// several names, their common part. Newer ids are shown by number (source of the ids: the PCI ID database, pci.ids).
enum ProductNames {
    static func name(vendor: UInt32?, device: UInt32?) -> String? {
        guard let vendor, let device else { return nil }
        switch vendor {
        case 0x1002: return amd[device].map { "AMD \($0)" }
        case 0x8086: return intel[device].map { "Intel \($0)" }
        default: return nil
        }
    }

    private static let amd: [UInt32: String] = [
        0x15BF: "Radeon 780M", 0x15C8: "Radeon 740M", 0x15D8: "Radeon Vega (Picasso)",
        0x15DD: "Radeon Vega (Raven Ridge)",
        0x150E: "Radeon 890M", 0x1586: "Radeon 8060S", 0x1636: "Radeon Vega (Renoir)", 0x1638: "Radeon Vega (Cezanne)",
        0x163F: "Van Gogh", 0x164E: "Radeon (Raphael)", 0x1681: "Radeon 680M", 0x1900: "Radeon 780M",
        0x1901: "Radeon 740M",
        0x66A0: "Instinct MI60", 0x66A1: "Instinct MI50", 0x66AF: "Radeon VII", 0x6860: "Instinct MI25",
        0x687F: "Radeon RX Vega", 0x67DF: "Radeon RX 470/480/570/580", 0x7310: "Radeon Pro W5700X",
        0x731F: "Radeon RX 5600/5700", 0x7340: "Radeon RX 5500", 0x738C: "Instinct MI100", 0x73A3: "Radeon Pro W6800",
        0x73AF: "Radeon RX 6900 XT", 0x73BF: "Radeon RX 6800/6900", 0x73DF: "Radeon RX 6700/6750",
        0x73FF: "Radeon RX 6600",
        0x7408: "Instinct MI250X", 0x740C: "Instinct MI250/MI250X", 0x740F: "Instinct MI210",
        0x7448: "Radeon Pro W7900",
        0x744C: "Radeon RX 7900", 0x745E: "Radeon Pro W7800", 0x747E: "Radeon RX 7700/7800", 0x7480: "Radeon RX 7600",
        0x74A0: "Instinct MI300A", 0x74A1: "Instinct MI300X", 0x74A2: "Instinct MI308X", 0x74A5: "Instinct MI325X",
        0x7550: "Radeon RX 9070", 0x7590: "Radeon RX 9060", 0x75A0: "Instinct MI350X", 0x75A3: "Instinct MI355X",
    ]

    private static let intel: [UInt32: String] = [
        0x0BD5: "Data Center GPU Max 1550", 0x0BDA: "Data Center GPU Max 1100", 0x3E92: "UHD Graphics 630",
        0x3E98: "UHD Graphics 630", 0x4680: "UHD Graphics 770", 0x4692: "UHD Graphics 730", 0x46A6: "Iris Xe Graphics",
        0x46D1: "UHD Graphics (Alder Lake-N)", 0x56A0: "Arc A770", 0x56A1: "Arc A750", 0x56A5: "Arc A380",
        0x56A6: "Arc A310",
        0x56B1: "Arc Pro A40/A50", 0x56C0: "Data Center GPU Flex 170", 0x56C1: "Data Center GPU Flex 140",
        0x5917: "UHD Graphics 620", 0x5912: "HD Graphics 630", 0x64A0: "Arc Graphics 130V/140V",
        0x7D55: "Arc Graphics (Meteor Lake)",
        0x7D51: "Arc Graphics 130T/140T", 0x9A49: "Iris Xe Graphics", 0x9BC5: "UHD Graphics 630",
        0xA780: "UHD Graphics 770",
        0xA7A0: "Iris Xe Graphics", 0xE20B: "Arc B580", 0xE20C: "Arc B570", 0xE211: "Arc Pro B60",
        0xE212: "Arc Pro B50",
    ]
}
