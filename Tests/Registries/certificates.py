"""A certificate authority of a test, made with openssl."""

import os
import subprocess


def _openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


class CertificateAuthority:
    """A private authority in a folder of its own."""

    def __init__(self, folder):
        self._folder = folder
        # In a folder of its own, as skopeo and docker want it.
        self.certificate = os.path.join(folder, "public", "ca.crt")
        os.makedirs(os.path.dirname(self.certificate))
        self._key = os.path.join(folder, "ca.key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", "/CN=Sandpiper test authority", "-keyout", self._key, "-out", self.certificate,
                 "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")

    def issue(self, name, *, hosts=("127.0.0.1", "127.0.0.2", "localhost", "registry.test"), rsa=False, expired=False):
        """Makes a certificate for hosts; returns the paths of the certificate and of its key."""
        certificate, key, request, extensions = (
            os.path.join(self._folder, name + ending) for ending in (".pem", ".key", ".csr", ".ext"))
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        _openssl("req", "-new", "-newkey", *kind, "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        names = ",".join(("IP:" if host[0].isdigit() else "DNS:") + host for host in hosts)
        with open(extensions, "w", encoding="utf-8") as file:
            file.write(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n")
        # openssl 3.0 knows no begin of validity for `x509`; a negative number of days ends it in the past.
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
                 "-days", "-1" if expired else "2", "-extfile", extensions, "-out", certificate)
        return certificate, key
