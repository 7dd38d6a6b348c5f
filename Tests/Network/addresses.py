"""Who is where outside: documentation addresses stand for the public internet, the others for what is inside walls."""

# Of the servers that everybody may reach.
NAME_SERVER = ("192.0.2.53", "2001:db8::53")
WEB = ("192.0.2.10", "2001:db8::10")
OTHER_WEB = ("192.0.2.11", "2001:db8::11")
ECHO = ("192.0.2.20", "2001:db8::20")
FAR = ("198.51.100.10", "2001:db8:51::10")
# A name server that nobody told the sandbox of; it answers everything with one address, and tells what it was asked.
FOREIGN_NAME_SERVER = ("198.51.100.53", "2001:db8:51::53")
# It has no service at all: what is sent there is refused by the kernel.
CLOSED = ("192.0.2.30", "2001:db8::30")
PROXY = ("192.0.2.40", "2001:db8::40")
MIRROR = ("192.0.2.60", "2001:db8::60")

PUBLIC = [*NAME_SERVER, *WEB, *OTHER_WEB, *ECHO, *FAR, *FOREIGN_NAME_SERVER, *CLOSED, *PROXY, *MIRROR,
          # WEB in NAT64 (RFC 6052) and in 6to4 (RFC 3056).
          "64:ff9b::c000:20a", "2002:c000:20a::1"]

# What a sandbox must not reach unless it is allowed. Each has all the servers of the lab: only a policy is between.
INSIDE = [
    "10.20.0.5", "172.16.5.5", "172.31.255.254", "192.168.7.7",             # private (RFC 1918)
    "100.64.0.7",                                                           # carrier-grade NAT (RFC 6598)
    "169.254.169.254", "169.254.170.2", "169.254.10.10",                    # metadata, link-local
    "192.0.0.8", "198.18.0.7", "198.19.255.254", "240.0.0.7", "0.0.0.7",    # special purposes (RFC 6890)
    "fd00:7::7", "fc00:7::7",                                               # unique local (RFC 4193)
    "fd00:ec2::254", "fd20:ce::254",                                        # metadata of clouds
    "2001:0:7::7",                                                          # Teredo (RFC 4380)
    "64:ff9b::a14:5", "64:ff9b::a9fe:a9fe", "2002:a14:5::1",                # 10.20.0.5 and metadata in other forms
    "2002:a9fe:a9fe::1", "64:ff9b:1::a14:5",
]
# Names of the host that a sandbox may know, without the wire's own addresses.
HOST_EXTRA = ["10.77.0.10/32", "192.0.2.200/32", "2001:db8:200::1/128"]
