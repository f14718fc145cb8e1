extension Double {
    /// "2" and "0.3": without a fraction if there is none.
    package var plain: String { self == rounded() && magnitude < 1e9 ? String(Int(self)) : String(self) }
}
