"""Every registered event reaches every party, in order, each in the copy that it may see. For now: inboxes."""
