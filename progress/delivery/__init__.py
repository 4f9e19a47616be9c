"""One wire a file: how what the hub hands out reaches a client. No routing, no access."""
