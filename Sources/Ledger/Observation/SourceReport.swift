/// How a source answered.
package struct SourceReport: Codable, Sendable, Equatable {
    package var name: String
    package var seconds: Double
    /// nil if there was no error.
    package var error: Reason?
    /// The error is that this source does not exist here, and that no user asked for it; nil if the source exists.
    package var isAbsent: Bool?
    /// The error is that we have no permission to ask; nil if it is none of that kind, and in recordings that do not say.
    package var isForbidden: Bool?
    /// If the source did not answer and an earlier answer is used: the time of that answer, in milliseconds since 1970.
    /// Else nil.
    package var answeredAt: Int64?

    /// Names in recordings. `toldAt` is the name that recordings of version 0.1 have.
    private enum CodingKeys: String, CodingKey {
        case name, seconds, error, isAbsent, isForbidden
        case answeredAt = "toldAt"
    }

    /// The name of the source of processes.
    package static let proc = "proc"

    package var ok: Bool { error == nil }
    /// An engine is named by its kind; the second of a kind has its socket in the name.
    package var isEngine: Bool { ["docker", "podman"].contains(name.prefix { $0 != ":" }) }
    package var isDriver: Bool { ["nvml", "drm"].contains(name) }

    package init(name: String, seconds: Double, error: Reason? = nil, isAbsent: Bool? = nil, isForbidden: Bool? = nil) {
        self.name = name
        self.seconds = seconds
        self.error = error
        self.isAbsent = isAbsent
        self.isForbidden = isForbidden
    }
}
