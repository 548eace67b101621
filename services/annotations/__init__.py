"""The registrar of annotations 不动产注记 and filings 备案审核."""
