"""Partners as they are, for demonstrations: simulators as processes of their own, each behind its contract's channel.

    partners = Partners([Seat("310000-rx", "hotline")], folder)
    partners.settle(contracts)                      # their channels, written into the overlay
    with partners:                                  # the processes
        async with partners.open() as by_agency:    # who acts at them
            await by_agency["310000-rx"].act(act)
            await by_agency["310000-rx"].held()

What a partner states it enters into its own system, in its own form; the bus learns of it through its connector. What
that form has no place for, its people state with the bus's own client.
"""
