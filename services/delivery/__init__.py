"""Every registered event reaches every party, in order, each in the copy that it may see.

Some fetch theirs, to others they are brought.
"""
