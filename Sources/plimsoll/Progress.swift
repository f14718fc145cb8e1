/// What is told while time passes, on standard error: a line that is written over on a terminal; elsewhere, as in a container's
/// log, the first line and then one each half minute.
struct Progress {
    private var lastTold: Double?

    /// - Parameter seconds: since the beginning.
    mutating func show(_ message: String, inLog logged: String, after seconds: Double) {
        if Screen.errorsAreShown {
            Output.overwrite(message)
        } else if lastTold.map({ seconds - $0 >= 30 }) ?? true {
            Output.error(logged)
            lastTold = seconds
        }
    }

    mutating func end() {
        if Screen.errorsAreShown { Output.overwrite("") }
    }
}
