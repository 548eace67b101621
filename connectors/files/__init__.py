"""Attachments 附件: files by the digest of what is in them, on this machine's disk or in an S3-compatible store."""
