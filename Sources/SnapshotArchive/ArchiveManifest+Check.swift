import ForeignText
import FrozenMachine
import OCI
import SandboxState
import Template

extension ArchiveManifest {
    /// Reads a manifest, of which nothing is believed.
    /// - Throws: ``SnapshotArchiveError``.
    init(decoding bytes: [UInt8]) throws {
        do { self = try BoundedJSON.decode(ArchiveManifest.self, from: bytes, document: "manifest") } catch {
            throw SnapshotArchiveError.refused("the archive's manifest cannot be read: \("\(error)".excerpt(300))")
        }
    }

    /// Why it is not taken, in a few words; `nil` when it may be.
    var problem: String? {
        snapshotProblem ?? machineProblem ?? filesProblem ?? snapshot.sandbox.foreignProblem
    }

    private var snapshotProblem: String? {
        if SandboxID(snapshot.id) == nil { return "its id is none" }
        if let name = snapshot.name, SandboxName(name) == nil { return "its name is none" }
        if !(0...1 << 40).contains(snapshot.created) { return "the time of its making is none" }
        if imageNames.count > 100 || imageNames.contains(where: { $0.utf8.count > 4096 }) {
            return "its image has too many names"
        }
        return snapshot.hasMemory == (machine != nil) ? nil : "it does not say whether it has memory"
    }

    private var machineProblem: String? {
        guard let machine else { return nil }
        if let problem = machine.problem { return problem }
        // The machine is larger than what was asked for: memory comes in few sizes.
        let limits = snapshot.sandbox.limits
        guard machine.cpus == limits.cpus, machine.memory >= limits.memory else {
            return "its machine is another than its sandbox has"
        }
        return nil
    }

    /// The files are those that there must be, each once and in order, none too large.
    private var filesProblem: String? {
        let fixed = machine == nil ? [Self.disk] : [Self.session, Self.state, Self.memory, Self.disk]
        guard files.count >= fixed.count, files.prefix(fixed.count).map(\.name) == fixed else {
            return "its files are not those of a snapshot"
        }
        var last = (0, 0)
        for file in files {
            guard file.most >= 0, file.most <= file.size else { return "'\(file.name.excerpt(40))' has no size" }
            switch file.name {
            case Self.session where file.size <= 1 << 20: continue
            case Self.state where file.size <= PortableMachine.stateLimit: continue
            case Self.memory where file.size == machine?.memory: continue
            case Self.disk where file.size <= MachineLayout.upperSize && file.most <= mostDisk: continue
            default:
                guard machine != nil, let job = ArchivedJobFile(file.name), job.place > last, file.size <= job.most
                else {
                    return "its file '\(file.name.excerpt(40))' is not one of a snapshot, or too large"
                }
                last = job.place
            }
        }
        return nil
    }

    /// A fresh disk is a template's, however small a disk was asked for.
    private var mostDisk: Int64 {
        max(snapshot.sandbox.limits.disk, MachineLayout.freshDiskSize).addingReportingOverflow(64 << 20).partialValue
    }
}
