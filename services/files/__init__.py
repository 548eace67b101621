"""Attachments 附件: taken in over cut lines, kept under their digest, given to whoever was shown the digest."""
