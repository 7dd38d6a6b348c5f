import OCI
import Testing

@Suite("The familiar spelling of a reference")
struct FamiliarReferenceTests {
    @Test(
        "a path that begins like a registry keeps its registry, so that the spelling means the same repository",
        arguments: [
            "docker.io/docker.io/team/image:1", "docker.io/index.docker.io/team/image:1",
            "docker.io/localhost/image:1", "docker.io/library/team/image:1",
        ])
    func sameMeaning(text: String) throws {
        let reference = try Reference(text)
        #expect(try Reference(reference.familiar) == reference)
    }
}
