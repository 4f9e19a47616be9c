"""What is true, without I/O: cursors, events, the fold, journals, the meter, frames.

Nothing in here knows a clock, a coroutine, a random number, a log or a socket.
"""
