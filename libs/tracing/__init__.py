"""Create OpenTelemetry spans only for selected traces, and deliver them without delaying callers.

Importing this package does not import OpenTelemetry; `tracing.spans` and `tracing.delivery` do.
"""
