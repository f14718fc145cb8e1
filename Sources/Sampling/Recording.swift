import FoundationEssentials
import Glibc
import HostFS
import Ledger

/// An observation in a file: for a bug report, and to be replayed anywhere.
package struct Recording: Codable {
    /// The format version. Its key identifies a recording.
    package var plimsollRecording: Int
    package var program: String
    package var observation: Observation

    package static let version = 1
    /// Bytes; a machine of a thousand GPUs stays far below.
    package static let limit = 256 << 20

    package init(_ observation: Observation, program: String) {
        plimsollRecording = Self.version
        self.program = program
        self.observation = observation.withoutPrivateLabels
    }

    private struct Header: Decodable {
        var plimsollRecording: Int
    }

    /// - Parameter path: for messages.
    package static func decode(_ bytes: [UInt8], path: String) throws(RecordingError) -> Observation {
        let data = Data(bytes)
        guard let header = try? JSONDecoder().decode(Header.self, from: data) else { throw .notARecording(path: path) }
        guard header.plimsollRecording == version else {
            throw .otherVersion(path: path, version: header.plimsollRecording)
        }
        let observation: Observation
        do {
            observation = try JSONDecoder().decode(Recording.self, from: data).observation
        } catch {
            throw .damaged(path: path)
        }
        guard observation.devices.count <= CountLimit.devices else {
            throw .tooManyDevices(path: path, count: observation.devices.count)
        }
        return observation.bounded
    }

    package func json() throws(RecordingError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            return try Array(encoder.encode(self)).escapedAsJSON + [UInt8(ascii: "\n")]
        } catch {
            throw .unwritable
        }
    }
}

package enum RecordingError: Error, CustomStringConvertible {
    case unreadable(FileError)
    /// A pipe, or a file system, that did not bring it in time.
    case silent(path: String, seconds: Double)
    case unwritable
    /// The bytes of the argument are no text.
    case notUTF8(path: String)
    /// A file is read by a process of its own.
    case noProcess(path: String, ChildStartError)
    case childEnded(path: String)
    case notARecording(path: String)
    case otherVersion(path: String, version: Int)
    case damaged(path: String)
    case tooManyDevices(path: String, count: Int)

    package var description: String { sentence.cleaned }

    private var sentence: String {
        switch self {
        case .unreadable(let error): error.description
        case .silent(let path, let seconds): "\(path) did not bring a recording within \(seconds.plain) s"
        case .unwritable: "what was read cannot be written as JSON"
        case .notUTF8(let path):
            "cannot read \(path): the name is not UTF-8; rename the file"
        case .noProcess(let path, let error):
            "cannot read \(path): the process that reads it could not be started: \(error)"
        case .childEnded(let path): "cannot read \(path): the process that reads it was killed"
        case .notARecording(let path): "\(path) is not a complete plimsoll recording; make one with `plimsoll capture`"
        case .otherVersion(let path, let version):
            "\(path) is a recording of format \(version); this plimsoll reads format \(Recording.version): "
                + (version > Recording.version ? "use a newer plimsoll" : "capture it again")
        case .damaged(let path): "\(path) is a recording that was cut short or changed: it cannot be read"
        case .tooManyDevices(let path, let count):
            "\(path) is a recording of \(count) devices, and no more than \(CountLimit.devices) are read"
        }
    }
}

extension Observation {
    /// Labels are free text, and people keep passwords in them; the ledger needs Compose's two.
    fileprivate var withoutPrivateLabels: Observation {
        var copy = self
        let kept: Set = ["com.docker.compose.project", "com.docker.compose.service"]
        for engine in copy.engines.indices {
            for container in copy.engines[engine].containers.indices {
                copy.engines[engine].containers[container].labels =
                    copy.engines[engine].containers[container].labels.filter { kept.contains($0.key) }
            }
        }
        return copy
    }
}
