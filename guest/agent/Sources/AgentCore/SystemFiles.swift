import AgentProtocol
import CAgent
import Glibc

/// The files that the host decides on and programs look for: names, addresses, the mount table.
struct SystemFiles {
    /// A file in /etc.
    struct File {
        let name: String
        let text: String
        /// Whether it is the same in all sandboxes, and so on the fresh disk already.
        var isCommon = false
    }

    /// Where programs look for what is mounted.
    static let mountTable = "/proc/self/mounts"

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
            File(
                name: "resolv.conf",
                text: "# The gateway of this sandbox.\nnameserver \(GuestNetwork.gateways[0])\noptions edns0\n",
                isCommon: true),
        ]
    }

    /// Puts them into the sandbox, with what else an image may lack.
    func write(in root: RootDirectory) throws(AgentError) {
        let present = try? root.open("/etc", O_PATH | O_DIRECTORY)
        let etc = if let present { present } else { try root.systemDirectory("etc") }
        for file in files {
            try root.replaceFile(file.name, in: etc, with: file.text)
        }
        if !root.exists("/etc/mtab") { symlinkat(Self.mountTable, etc.number, "mtab") }
    }

    /// Gives the machine's new names to files that a machine before it has had, perhaps for long.
    func renew(in root: RootDirectory) throws(AgentError) {
        let etc = try root.open("/etc", O_PATH | O_DIRECTORY)
        for file in files where file.name == "hostname" || file.name == "machine-id" {
            try root.replaceFile(file.name, in: etc, with: file.text)
        }
        let mark = "127.0.1.1\t"
        guard let own = files.first(where: { $0.name == "hosts" })?.text.split(separator: "\n"),
            let new = own.first(where: { $0.hasPrefix(mark) }),
            let hosts = try root.contents(of: "/etc/hosts", upTo: 1 << 20)
        else { return }
        // What users have added stays.
        let lines = String(decoding: hosts, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.contains(where: { $0.hasPrefix(mark) }) else { return }
        let text = lines.map { $0.hasPrefix(mark) ? new : $0 }.joined(separator: "\n")
        try root.replaceFile("hosts", in: etc, with: text)
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
        for file in files where !file.isCommon { try write(file, toUpper: upper) }
        let table = upper + "/etc/mtab"
        if lstat(theirs + "/mtab", &status) == 0 { try AgentError.check("remove \(table)") { unlink(table) } }
        return true
    }

    /// Writes a file right onto the writable disk, where it is empty or not there.
    /// - Parameter empty: whether it is only made.
    func write(_ file: File, toUpper upper: String, empty: Bool = false) throws(AgentError) {
        let path = "\(upper)/etc/\(file.name)"
        let flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC
        let written = Descriptor(try AgentError.check("make \(path)") { open(path, flags, 0o644) })
        if !empty { try written.writeAll(Array(file.text.utf8), to: path) }
    }
}
