"""What is missing for a virtual machine; the message says what to install."""


class Lacking(Exception):
    pass
