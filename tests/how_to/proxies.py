"""The proxies of the pages, with the addresses and certificates of the test. nginx and Caddy are the real ones.

Traefik installs from no package index. A program that knows its documented keys, and refuses all others, gives what its
files say to Caddy.
"""

from pathlib import Path

import trustme

from demo.processes import ROOT, free_port
from tests.how_to.files import program

# The network address of the reader, which is not the proxy's.
READER = "127.0.0.5"
CERTIFICATE = "/etc/ssl/gatehouse/fullchain.pem"
_NGINX = """
[ "$1 $2" = "restart nginx" ] && exec nginx -p "{folder}" -c "{folder}/etc/nginx/nginx.conf"
"""
_CADDY = """
here='.admin = {{disabled: true}} | .apps.http.servers[].automatic_https = {{disable_redirects: true}}
  | .apps.tls.certificates.load_files = [{{certificate: "{certificate}", key: "{certificate}"}}]'
export XDG_DATA_HOME="{folder}/caddy" XDG_CONFIG_HOME="{folder}/caddy"
if [ "$1 $2" = "restart caddy" ]; then
  caddy adapt --adapter caddyfile --config "{folder}/etc/caddy/Caddyfile" | jq "$here" >"{folder}/caddy.json"
  exec caddy run --config "{folder}/caddy.json"
fi
if [ "$1 $2" = "restart traefik" ]; then
  "{root}/.venv/bin/python" "{root}/tests/how_to/traefik.py" "{folder}/etc/traefik" | jq "$here" >"{folder}/caddy.json"
  exec caddy run --config "{folder}/caddy.json"
fi
exit 4
"""


def has_one(page: str) -> bool:
    """Whether the reader of that page starts a Gatehouse and a proxy."""
    return CERTIFICATE in page or "/etc/caddy" in page or "/etc/traefik" in page


def real(folder: Path) -> dict[str, str]:
    """What the addresses of such a page are here. The longer ones come first."""
    port, node = free_port(), free_port()
    return {
        "https://auth.example.com": f"https://localhost:{port}",
        "auth.example.com {": f"https://localhost:{port} {{",
        "auth.example.com": "localhost",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        'address: ":443"': f'address: "127.0.0.1:{port}"',
        "127.0.0.1:8000": f"127.0.0.1:{node}",
        "--port 8000": f"--port {node}",
        CERTIFICATE: str(folder / "certificate.pem"),
        CERTIFICATE.replace("fullchain", "privkey"): str(folder / "certificate.pem"),
        "/var/lib/gatehouse": str(folder),
        "198.51.100.7": READER,
    }


def write(folder: Path, ca_bundle: Path) -> None:
    """`systemctl`, nginx's own files as Debian has them, and a certificate, whose authority is added to the bundle."""
    authority, certificate = trustme.CA(), folder / "certificate.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
    with ca_bundle.open("ab") as bundle:
        bundle.write(authority.cert_pem.bytes())
    program(folder / "bin/systemctl", (_NGINX + _CADDY).format(folder=folder, certificate=certificate, root=ROOT))
    nginx = folder / "etc/nginx/nginx.conf"
    nginx.parent.mkdir(parents=True)
    log = f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}"
    nginx.write_text(f"{log}\nhttp {{ access_log off;\ninclude {folder}/etc/nginx/conf.d/*.conf;\n}}\n")
    # curl reads it, and sends from that address.
    (folder / ".curlrc").write_text(f"interface = {READER}\n")
