"""Deploy the system: to AWS by one template, and to this machine as a local stack."""
