"""Deploy as docs/aws.md says, on a local AWS, and run what the stacks describe."""
