import Ledger

extension Container {
    /// Its image as `docker ps` shows it (docker/cli, formatter/container.go): an id short, and a name without its digest.
    var shownImage: String? { image.map(Rendering.shownImage) }
}

func shownImage(_ image: String) -> String {
    let kind = "sha256:"
    let digits = image.hasPrefix(kind) ? image.utf8.dropFirst(kind.utf8.count) : image.utf8[...]
    let isID =
        digits.count == 64
        && digits.allSatisfy {
            UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0
        }
    if isID { return String(Substring(digits.prefix(12))) }
    guard let at = image.utf8.firstIndex(of: UInt8(ascii: "@")), at > image.startIndex,
        image[at...].utf8.starts(with: "@\(kind)".utf8)
    else { return image }
    return String(image[..<at])
}
