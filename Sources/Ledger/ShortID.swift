/// As Docker shortens an id; a name that LXC or nspawn gives stays whole.
package func shortID(_ id: String) -> String {
    id.utf8.count == 64 ? String(id.prefix(12)) : id
}
