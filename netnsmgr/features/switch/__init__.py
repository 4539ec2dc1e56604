"""What is particular to instances of layer 2 (`type: switch`)."""
