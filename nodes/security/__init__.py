"""Who may connect: keys, certificates, TLS."""
