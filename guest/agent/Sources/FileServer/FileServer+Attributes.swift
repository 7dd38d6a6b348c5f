import CFileSystem
import FileProtocol
import Glibc
import TreeArchive

/// Requests about what a file has besides content: modes, owners, times, extended attributes.
extension FileServer {
    func carryOutOnAttributes(_ request: FileRequest, _ id: UInt32) throws(FileCallError) -> FileResponse? {
        switch request {
        case .setMode(let path, let mode):
            let file = try tree.locate(path)
            try FileCallError.check("set the mode of \(text(path))") { chmod(file.procPath, mode_t(mode)) }
        case .setOwner(let path, let owner, let group, let follows):
            let file = try tree.locate(path, followsLinks: follows)
            guard let (user, group) = identity(owner, group) else {
                let names = FileCallError.text(Array("\(owner):\(group)".utf8))
                throw FileCallError(
                    "set the owner of \(text(path))", code: EINVAL,
                    detail: "the sandbox has no user and group \(names)")
            }
            try FileCallError.check("set the owner of \(text(path))") {
                fchownat(file.number, "", user, group, files_empty_path)
            }
        case .setTimes(let path, let accessed, let modified, let follows):
            let file = try tree.locate(path, followsLinks: follows)
            try FileCallError.check("set the times of \(text(path))") {
                files_set_times(
                    file.number, "", (accessed == nil ? 0 : 1) | (modified == nil ? 0 : 2), accessed?.seconds ?? 0,
                    accessed?.nanoseconds ?? 0, modified?.seconds ?? 0, modified?.nanoseconds ?? 0)
            }
        case .attribute(let path, let name, let follows):
            let file = try tree.locate(path, followsLinks: follows)
            return .bytes(try ExtendedAttributeList.value(of: name, file))
        case .attributeNames(let path, let follows):
            let file = try tree.locate(path, followsLinks: follows)
            return .names(try ExtendedAttributeList.names(of: file))
        case .setAttribute(let path, let name, let value, let policy, let follows):
            let file = try tree.locate(path, followsLinks: follows)
            let flags: Int32 =
                switch policy {
                case .any: 0
                case .create: 1  // XATTR_CREATE
                case .replace: 2  // XATTR_REPLACE
                }
            try FileCallError.check("set the attribute \(FileCallError.text(name)) of \(text(path))") {
                value.withUnsafeBytes { setxattr(file.procPath, cText(name), $0.baseAddress, $0.count, flags) }
            }
        case .removeAttribute(let path, let name, let follows):
            let file = try tree.locate(path, followsLinks: follows)
            try FileCallError.check("remove the attribute \(FileCallError.text(name)) of \(text(path))") {
                removexattr(file.procPath, cText(name))
            }
        default: throw FileCallError("do it", code: ENOSYS)
        }
        return .done
    }
}
