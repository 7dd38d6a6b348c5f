"""Debian's nginx outside: several names on every address, plain on ports 80 and 8080, TLS on 443 and 8443."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Registries"))
from certificates import CertificateAuthority  # noqa: E402 - beside this folder

import tls_servers

# Each of them answers with its name; whoever asks for any other gets `default`.
NAMES = ("www.example.com", "api.example.com", "other.example.com", "away.example.com", "a.wild.example.com",
         "svc.example.com", "far.example.net")
MIRRORS = ("mirror.example.com", "pypi.example.com", "git.example.com")

_CONFIGURATION = """
user root root;
daemon off;
master_process off;
worker_rlimit_nofile 8192;
error_log {folder}/nginx.errors;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log {folder}/requests combined;
  client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi; uwsgi_temp_path {folder}/nginx-uwsgi; scgi_temp_path {folder}/nginx-scgi;
  client_max_body_size 0;
  types {{ text/plain txt; text/html html; }}
  default_type application/octet-stream;
  keepalive_timeout 60s; keepalive_requests 100000;
  sendfile on;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
{servers}
}}
"""
_SERVER = """
  server {{
    listen 80{default}; listen [::]:80{default}; listen 8080{default}; listen [::]:8080{default};
    listen 443 ssl http2{default}; listen [::]:443 ssl http2{default};
    listen 8443 ssl http2{default}; listen [::]:8443 ssl http2{default};
    server_name {name};
    ssl_certificate {certificate}; ssl_certificate_key {key};
    root {root};
    location = / {{ return 200 "{label} at $server_addr for $http_host\\n"; }}
    location = /moved {{ return 302 http://other.example.com/; }}
    location /socket {{ proxy_pass http://127.0.0.1:8765; proxy_http_version 1.1; proxy_read_timeout 60s;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; }}
    location /record {{ proxy_pass http://127.0.0.1:{recorder}; proxy_http_version 1.1;
      proxy_set_header Host $http_host; proxy_set_header X-Lab-Protocol $server_protocol; }}
    location /files/ {{ autoindex on; alias {files}/; }}{more}
  }}
"""
_GIT = """
    location ~ ^/smart(/.*) {{ fastcgi_pass unix:{folder}/fcgi;
      fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
      fastcgi_param GIT_PROJECT_ROOT {root}/git; fastcgi_param GIT_HTTP_EXPORT_ALL 1; fastcgi_param PATH_INFO $1;
      fastcgi_param QUERY_STRING $query_string; fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type; fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param REMOTE_USER lab; }}"""


class WebServer:
    """The server, from its start on."""

    def __init__(self, networks, folder, faulty=False):
        self._folder = folder
        self.root, self.files = os.path.join(folder, "www"), os.path.join(folder, "files")
        for name in (self.root, self.files):
            os.makedirs(name, exist_ok=True)
        authority = self.authority_of_all = CertificateAuthority(folder)
        self.authority = authority.certificate
        servers = []
        # One certificate for all that is tested by name alone, and one for each whose certificate tells who answered.
        default = authority.issue("default", hosts=("default.example.net", "192.0.2.10"))
        servers.append(self._server("_", "default", *default, is_default=True))
        for name in NAMES:
            servers.append(self._server(name, name, *authority.issue(name, hosts=(name,))))
        for name, certificate, key in tls_servers.certificates(authority, folder) if faulty else ():
            servers.append(self._server(name, name, certificate, key))
        mirrors = authority.issue("mirrors", hosts=MIRRORS)
        git = _GIT.format(folder=folder, root=self.root)
        servers.append(self._server(" ".join(MIRRORS), "mirrors", *mirrors, more=git))
        configuration = os.path.join(folder, "nginx.conf")
        with open(configuration, "w") as file:
            file.write(_CONFIGURATION.format(folder=folder, servers="".join(servers)))
        command = ["nginx", "-p", folder, "-e", f"{folder}/nginx.errors", "-c", configuration]
        networks.start(networks.outside_root, command, stdout=subprocess.DEVNULL)

    def _server(self, name, label, certificate, key, is_default=False, more=""):
        return _SERVER.format(name=name, label=label, certificate=certificate, key=key, root=self.root,
                              files=self.files, default=" default_server" if is_default else "", more=more,
                              recorder=tls_servers.RECORDER_PORT)
