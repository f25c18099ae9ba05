"""The garbage collector, told once what a server knows of its own memory."""

import gc


def tune_gc() -> None:
    """Call when everything is imported and composed: what lives by now lives for ever.

    Requests and commands leave few cycles; collecting as often as by default costs more than it
    finds: 7 % of a read at the gateway was spent on it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
