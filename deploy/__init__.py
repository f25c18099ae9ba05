"""How the system reaches a machine: one template for AWS, and the local stack."""
