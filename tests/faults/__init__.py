"""What becomes of the files of the state directory when a system call is the last, fails, or power goes.

``python -m tests.faults`` tries every point and prints how many there were.  Nothing in here needs to be root.
"""
