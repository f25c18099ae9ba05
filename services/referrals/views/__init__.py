"""Change each read model's view: one module per view, without a decision on which event does it.

`referrals.projections` maps events to these functions.
"""
