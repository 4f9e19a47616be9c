"""What several tests share: a client that follows the rules, and a server to follow them with."""
