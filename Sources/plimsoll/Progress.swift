/// Progress messages on standard error. On a terminal, one line that is overwritten. Elsewhere, as in a log of a
/// container, the first message and then one every 30 seconds.
struct Progress {
    private var lastShown: Double?

    /// - Parameter seconds: since the beginning.
    mutating func show(_ message: String, inLog logged: String, after seconds: Double) {
        if Screen.errorsAreShown {
            Output.overwrite(message)
        } else if lastShown.map({ seconds - $0 >= 30 }) ?? true {
            Output.error(logged)
            lastShown = seconds
        }
    }

    mutating func end() {
        if Screen.errorsAreShown { Output.overwrite("") }
    }
}
