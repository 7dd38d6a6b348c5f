// Intercepts the TLS and HTTP connections of one sandbox, which its gateway hands over one by one.
//
//   sandpiper-tls                            serves on descriptor 3
//   sandpiper-tls make-authority DIRECTORY   makes sure that DIRECTORY has the installation's authority (ca.pem, and ca.key
//                                            with mode 0600), and prints the path of its certificate
//
// Descriptor 3 is a connected SOCK_SEQPACKET socket, opened by the parent. The messages on it are those of the room
// InterceptionProtocol: first a configuration with the values of secrets, answered with `ready` or `failed`; then
// connections, each with two sockets; and events in the other direction.
//
// The process ends with 0 when the other end of 3 is closed, with 1 when it cannot serve or what comes is no message.
import Glibc
import Interception
import LinuxSystem

let arguments = CommandLine.arguments.dropFirst()
switch (arguments.first, arguments.count) {
case (nil, _): exit(InterceptionProcess.run())
case ("make-authority", 2):
    do {
        print(try InterceptionProcess.makeAuthority(arguments[2]))
    } catch {
        StandardError.print("sandpiper-tls: \(error)")
        exit(1)
    }
default:
    StandardError.print("usage: sandpiper-tls [make-authority DIRECTORY]")
    exit(64)
}
