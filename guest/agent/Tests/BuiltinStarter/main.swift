import AgentCore
import Glibc

// Starts the agent's file service in a child, as the agent does: from a process that has one thread. What the child says
// goes to where this process's own output goes.
exit(FileServiceCheck.run())
