"""What others make of this server, with Debian's own packages: `make interop`, not `make test`."""
