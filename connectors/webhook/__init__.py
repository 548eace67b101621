"""Webhooks: items pushed to an agency's own HTTP endpoint, by the Standard Webhooks specification."""
