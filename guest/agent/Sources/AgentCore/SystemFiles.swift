import CAgent
import Glibc

/// The files that the host decides on and programs look for: names, addresses, the mount table.
struct SystemFiles {
    /// A file in /etc.
    struct File {
        let name: String
        let text: String
        /// Whether the image's own, if it has one, goes before.
        var yields = false
    }

    /// Those that every sandbox gets anew, whatever its image has.
    static let ownNames = ["hostname", "machine-id", "hosts"]

    let files: [File]

    init(hostName: String, machineID: String) {
        files = [
            File(name: "hostname", text: "\(hostName)\n"),
            File(name: "machine-id", text: "\(machineID)\n"),
            File(
                name: "hosts",
                text: """
                    127.0.0.1\tlocalhost
                    ::1\tlocalhost ip6-localhost ip6-loopback
                    fe00::0\tip6-localnet
                    ff00::0\tip6-mcastprefix
                    ff02::1\tip6-allnodes
                    ff02::2\tip6-allrouters
                    127.0.1.1\t\(hostName)

                    """),
            File(name: "resolv.conf", text: "# This sandbox has no name server.\n", yields: true),
        ]
    }

    /// Puts them into the sandbox, with what else an image may lack.
    func write(in root: RootDirectory) throws(AgentError) {
        let present = try? root.open("/etc", O_PATH | O_DIRECTORY)
        let etc = if let present { present } else { try root.systemDirectory("etc") }
        for file in files where !file.yields || !root.exists("/etc/\(file.name)") {
            try root.replaceFile(file.name, in: etc, with: file.text)
        }
        if !root.exists("/etc/mtab") { symlinkat("/proc/self/mounts", etc.number, "mtab") }
    }

    /// Puts them right onto the writable disk, before it is joined with the image, which is a fraction of the work.
    /// - Parameters:
    ///   - upper: the directory of the writable disk that goes over the image, with an `etc` as ``FreshDisk`` makes it.
    ///   - image: the image's root.
    /// - Returns: whether they are there. An image whose /etc is not a plain directory needs them put through the overlay.
    func write(toUpper upper: String, over image: String) throws(AgentError) -> Bool {
        var status = stat()
        let theirs = image + "/etc"
        if lstat(theirs, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFDIR, !agent_has_attributes(theirs) else { return false }
            try FreshDisk.take(status, for: upper + "/etc")
        }
        for file in files {
            if file.yields && lstat("\(theirs)/\(file.name)", &status) == 0 { continue }
            let path = "\(upper)/etc/\(file.name)"
            let written = Descriptor(
                try AgentError.check("make \(path)") { open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o644) })
            try written.writeAll(Array(file.text.utf8), to: path)
        }
        if lstat(theirs + "/mtab", &status) != 0 { symlink("/proc/self/mounts", upper + "/etc/mtab") }
        return true
    }
}
