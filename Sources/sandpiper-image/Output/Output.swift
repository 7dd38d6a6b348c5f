import Glibc
import OCI

/// Prints JSON, easy to read and the same each time.
func printJSON(_ value: some Encodable) throws {
    print(String(decoding: try BoundedJSON.encode(value, pretty: true), as: UTF8.self))
}
