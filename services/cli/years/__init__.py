"""A year of a district as a plan: what agencies state and when, made from what was published; pure, and all invented.

    plan = minhang.plan(packaged publication, calendars, seed)      the steps of 闵行 2023, in order

The counts are those of the publication. Whatever else is in it, every person, firm, number and place, is made up by a
generator with a seed, and says so (SYN-, 虚构, 示例). The same seed gives the same plan, to the ids.
"""
