import Testing

@testable import Rendering

struct ImageNameTests {
    private static let digits = "0123456789ab" + String(repeating: "c", count: 52)

    @Test(
        "An image is shown as docker ps shows it: an id short, a name without its digest",
        arguments: [
            ("sha256:\(digits)", "0123456789ab"), (digits, "0123456789ab"), ("lab/trainer:1", "lab/trainer:1"),
            ("lab/trainer@sha256:\(digits)", "lab/trainer"),
            ("registry:5000/lab/trainer:1@sha256:\(digits)", "registry:5000/lab/trainer:1"),
            ("0123456789ab", "0123456789ab"), ("sha256:0123", "sha256:0123"), ("sha256", "sha256"), ("@", "@"),
            ("@sha256:1", "@sha256:1"), ("a@b", "a@b"),
            ("sha256:\(digits.uppercased())", "sha256:\(digits.uppercased())"),
        ])
    func shown(_ image: String, _ expected: String) {
        #expect(shownImage(image) == expected)
    }
}
