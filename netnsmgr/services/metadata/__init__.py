"""The metadata service: what applications ask at http://169.254.169.254/, answered by who asks."""
