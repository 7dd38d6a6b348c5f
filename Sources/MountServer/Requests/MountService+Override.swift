import CLinux
import Glibc

/// The rights of the guest's root, where an ordinary user of the host serves.
///
/// The guest's kernel lets its root do what a file's mode forbids its owner: write a file of mode 0444, remove names from
/// a directory of mode 0555. Unpacking archives relies on that. The host's kernel does not let the user who serves; but as
/// the owner that user may change the mode, so for the time of one request it does.
extension MountService {
    /// Whether a request that the host forbids may be tried again: it is root's, and the guest's kernel has allowed it.
    func mayOverride(_ header: RequestHeader) -> Bool {
        header.user == 0 && !owners.servesAsRoot && !options.readOnly
    }

    /// Carries out a request with the owner's full rights on what it is about.
    func carryOutWithRights(_ request: FuseRequest, _ header: RequestHeader) throws(ErrorNumber) {
        var nodes = [try tree.nodes.node(header.node)]
        switch request {
        case .rename(_, let directory, _, _): nodes.append(try tree.nodes.node(directory))
        case .link(let node, _): nodes.append(try tree.nodes.node(node))
        default: break
        }
        var changed: [(node: Node, mode: UInt32)] = []
        // What leads to a file before the file.
        for node in nodes.flatMap({ [$0.link?.parent, $0] }) {
            if let node, let mode = widenMode(node) { changed.append((node, mode)) }
        }
        defer { for (node, mode) in changed.reversed() { try? setMode(node, exactly: mode) } }
        guard !changed.isEmpty else { throw ErrorNumber(EACCES) }
        try carryOut(request, header)
    }

    /// Gives the owner all rights.
    /// - Returns: the mode that it had; `nil` when nothing was to be changed, or could be.
    private func widenMode(_ node: Node) -> UInt32? {
        guard node.isDirectory || node.kind == FileKind.file, let status = try? tree.status(node),
            status.user == geteuid()
        else { return nil }
        let mode = status.mode & 0o7777
        let wide = mode | (node.isDirectory ? 0o700 : 0o600)
        guard mode != wide, (try? setMode(node, exactly: wide)) != nil else { return nil }
        return mode
    }
}
