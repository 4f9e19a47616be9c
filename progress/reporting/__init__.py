"""Reporting to a server elsewhere, from a Python process of its own.

remote.py is its face, away.py the operation as this process knows it, outbox.py what waits to be
sent, sender.py the thread that sends it, posting.py its HTTP. command.py is `progress report`,
which sends what it is given at once, piped.py what comes through a pipe.
"""
