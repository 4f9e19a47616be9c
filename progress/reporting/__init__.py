"""Reporting to a server elsewhere, from a Python process of its own.

remote.py is its face, away.py the operation as this process knows it, outbox.py what waits to be
sent, sender.py the thread that sends it.
"""
