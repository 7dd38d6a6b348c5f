import Engine
extension Supervisor { func startMachine() async throws -> any Machine { fatalError() } }
